"""What runs, artifacts and schedules look like from outside."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from portal.core.api import StrictSerializer
from portal.runs import kinds
from portal.runs.models import Queue, Run, RunArtifact, Schedule, ScheduleSlot
from portal.runs.services import timings
from portal.runs.services.schedules import MOST_GRACE_S
from portal.runs.tasks.selftest import FAILURES, MOST_MEMORY_MIB, MOST_SECONDS


class ProgressSerializer(serializers.Serializer[Run]):
    """How far a run is."""

    fraction = serializers.FloatField(source="progress_fraction", help_text="0 to 1.")
    phase = serializers.CharField(source="progress_phase")
    message = serializers.CharField(source="progress_message")
    rate_per_second = serializers.FloatField(source="progress_rate", allow_null=True)
    seconds_left = serializers.FloatField(source="progress_eta_s", allow_null=True)


class RunErrorSerializer(serializers.Serializer[Run]):
    """Why a run failed, errored, was cancelled or is tried again."""

    code = serializers.CharField(source="error_code")
    message = serializers.CharField(source="error_message")


class RunSummarySerializer(serializers.ModelSerializer[Run]):
    """A run as lists show it."""

    title = serializers.SerializerMethodField()
    progress = ProgressSerializer(source="*", read_only=True)
    error = serializers.SerializerMethodField()
    started_by = serializers.CharField(
        source="started_by.username", read_only=True, allow_null=True, default=None
    )

    class Meta:
        model = Run
        fields: tuple[str, ...] = (
            "id",
            "kind",
            "title",
            "queue",
            "state",
            "attempt",
            "max_attempts",
            "progress",
            "error",
            "started_by",
            "started_via",
            "started_via_detail",
            "created_at",
            "started_at",
            "finished_at",
        )
        read_only_fields = fields

    def get_title(self, run: Run) -> str:
        return run.title or kinds.title_of(run.kind)

    @extend_schema_field(RunErrorSerializer(allow_null=True))
    def get_error(self, run: Run) -> dict[str, str] | None:
        return RunErrorSerializer(run).data if run.error_code else None


class RunSerializer(RunSummarySerializer):
    """A run in full."""

    parameters = serializers.DictField(read_only=True)
    result = serializers.DictField(read_only=True)
    library_versions = serializers.DictField(child=serializers.CharField(), read_only=True)
    events_url = serializers.SerializerMethodField()
    artifacts_url = serializers.SerializerMethodField()

    class Meta:
        model = Run
        fields: tuple[str, ...] = (
            *RunSummarySerializer.Meta.fields,
            "parameters",
            "seed",
            "result",
            "parent",
            "retry_of",
            "dataset_fingerprint",
            "code_revision",
            "library_versions",
            "host",
            "worker",
            "peak_memory_bytes",
            "cpu_seconds",
            "overlap_key",
            "request_id",
            "not_before",
            "heartbeat_at",
            "lease_expires_at",
            "cancel_requested_at",
            "cancel_requested_by",
            "events_url",
            "artifacts_url",
        )
        read_only_fields = fields

    def get_events_url(self, run: Run) -> str:
        return f"/api/v1/runs/{run.pk}/events/"

    def get_artifacts_url(self, run: Run) -> str:
        return f"/api/v1/runs/{run.pk}/artifacts/"


class CancelSerializer(StrictSerializer):
    """Why a run is cancelled."""

    reason = serializers.CharField(required=False, allow_blank=True, max_length=1_000, default="")


class DismissSerializer(StrictSerializer):
    """Why nothing more is to be done about a dead letter."""

    reason = serializers.CharField(max_length=2_000)


class SelftestSerializer(StrictSerializer):
    """What a self-test run shall do."""

    queue = serializers.ChoiceField(Queue.choices, default=Queue.INTERACTIVE)
    seconds = serializers.FloatField(default=1, min_value=0, max_value=MOST_SECONDS)
    steps = serializers.IntegerField(default=5, min_value=1, max_value=1_000)
    memory_mib = serializers.IntegerField(default=0, min_value=0, max_value=MOST_MEMORY_MIB)
    fail_with = serializers.ChoiceField(
        [(name, name) for name in FAILURES if name], default="", allow_blank=True
    )


class RunArtifactSerializer(serializers.ModelSerializer[RunArtifact]):
    """What a run produced, by name."""

    sha256 = serializers.CharField(source="artifact_id", read_only=True)
    size_bytes = serializers.IntegerField(source="artifact.size_bytes", read_only=True)
    media_type = serializers.CharField(source="artifact.media_type", read_only=True)
    url = serializers.SerializerMethodField()

    class Meta:
        model = RunArtifact
        fields = ("name", "sha256", "size_bytes", "media_type", "url")
        read_only_fields = fields

    def get_url(self, kept: RunArtifact) -> str:
        return f"/api/v1/artifacts/{kept.artifact_id}/"


class RunArtifactsSerializer(serializers.Serializer[dict[str, Any]]):
    """All that a run produced."""

    results = RunArtifactSerializer(many=True)


class ScheduleSerializer(serializers.ModelSerializer[Schedule]):
    """When a kind of run is started, and what happens when it is late or busy."""

    is_enabled = serializers.BooleanField(source="periodic_task.enabled", read_only=True)
    timing = serializers.SerializerMethodField(
        help_text="“cron m h dom mon dow zone”, “every SECONDS” or “once TIME”."
    )
    description = serializers.CharField(source="periodic_task.description", read_only=True)
    parameters = serializers.DictField(read_only=True)
    last_started_at = serializers.DateTimeField(
        source="periodic_task.last_run_at", read_only=True, allow_null=True
    )

    class Meta:
        model = Schedule
        fields = (
            "id",
            "name",
            "description",
            "kind",
            "is_enabled",
            "timing",
            "parameters",
            "missed_policy",
            "overlap_policy",
            "grace_s",
            "next_due_at",
            "last_started_at",
        )
        read_only_fields = fields

    def get_timing(self, schedule: Schedule) -> str:
        return timings.text_of(schedule.periodic_task)


class ScheduleSlotSerializer(serializers.ModelSerializer[ScheduleSlot]):
    """What became of a due time."""

    class Meta:
        model = ScheduleSlot
        fields = ("due_at", "outcome", "run", "at")
        read_only_fields = fields


class ScheduleChangeSerializer(StrictSerializer):
    """What to change of a schedule; what is left out stays."""

    is_enabled = serializers.BooleanField(required=False)
    crontab = serializers.CharField(
        required=False, max_length=300, help_text="Minute, hour, day of month, month, day of week."
    )
    zone = serializers.CharField(
        required=False,
        max_length=60,
        help_text="IANA time zone of the crontab; without one it keeps the one it has.",
    )
    interval_s = serializers.IntegerField(
        required=False, min_value=1, max_value=timings.MOST_INTERVAL_S
    )
    parameters = serializers.DictField(required=False)
    missed_policy = serializers.ChoiceField(Schedule.MissedPolicy.choices, required=False)
    overlap_policy = serializers.ChoiceField(Schedule.OverlapPolicy.choices, required=False)
    grace_s = serializers.IntegerField(required=False, min_value=0, max_value=MOST_GRACE_S)
