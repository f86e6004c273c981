"""What studies and trials look like from outside."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from portal.core.api import StrictSerializer
from portal.core.api.examples import example
from portal.runs.api.serializers import RunSerializer
from tuning import selectors
from tuning.models import Study, Trial


@example({"target": "rocksdb", "budget": "10m", "name": "Put rate of the archive"})
class NewStudySerializer(StrictSerializer):
    """What is asked of a study."""

    target = serializers.CharField(
        max_length=40, help_text="One of GET /api/v1/tuning-targets/: rocksdb, hnsw, quality."
    )
    workload = serializers.CharField(
        max_length=60, required=False, default="", help_text="One of the target's; else its first."
    )
    objective = serializers.JSONField(
        required=False,
        default=None,
        help_text="The name of a factor, or “weights” of throughput, latency, accuracy and "
        "scaling, “metrics” that speak for them, “guards”, and “mode”: weighted or pareto.",
    )
    budget = serializers.JSONField(
        required=False,
        default=None,
        help_text="Such as “10m”, or “seconds” with “trials”, “pairs”, “trial_seconds”, “sampler” "
        "(tpe, random, grid, nsga2) and “pruner” (none, median).",
    )
    space = serializers.DictField(
        required=False,
        default=dict,
        help_text="By option: {} for all of its range, or “low”, “high”, “choices”. All options "
        "when empty.",
    )
    current = serializers.DictField(
        required=False, default=dict, help_text="Options in use; those left out have defaults."
    )
    name = serializers.CharField(max_length=120, required=False, default="", allow_blank=True)
    seed = serializers.IntegerField(required=False, default=0, min_value=0, max_value=2**31 - 1)
    warm_from = serializers.PrimaryKeyRelatedField(
        queryset=Study.objects.all(),
        required=False,
        default=None,
        allow_null=True,
        help_text="A study whose best trials are measured first.",
    )


class TrialSerializer(serializers.ModelSerializer[Trial]):
    """One configuration measured once."""

    configuration = serializers.DictField(read_only=True)
    values = serializers.DictField(child=serializers.FloatField(), read_only=True)
    facts = serializers.DictField(read_only=True)
    reason = serializers.SerializerMethodField(
        help_text="Why it gave no figures, in the language asked for."
    )
    samples_url = serializers.SerializerMethodField(help_text="Every raw sample, as JSON.")

    class Meta:
        model = Trial
        fields = (
            "number",
            "role",
            "pair",
            "configuration",
            "state",
            "values",
            "score",
            "is_within_guards",
            "facts",
            "reason",
            "seconds",
            "samples_url",
            "started_at",
            "finished_at",
        )
        read_only_fields = fields

    def get_reason(self, trial: Trial) -> str:
        return selectors.reason(trial)

    def get_samples_url(self, trial: Trial) -> str | None:
        return f"/api/v1/artifacts/{trial.samples_id}/" if trial.samples_id else None


class StudySerializer(serializers.ModelSerializer[Study]):
    """A study and where it stands."""

    state = serializers.SerializerMethodField(
        help_text="queued, running, paused, done, or as its run ended."
    )
    objective = serializers.DictField(read_only=True)
    budget = serializers.DictField(read_only=True)
    space = serializers.DictField(read_only=True)
    current = serializers.DictField(read_only=True)
    environment = serializers.DictField(read_only=True)
    findings = serializers.DictField(
        read_only=True, help_text="Importance of the options and the trials no other beats."
    )
    proof = serializers.DictField(
        read_only=True,
        help_text="Pairs so far, the interval of the ratio, the candidate, both medians of "
        "every metric.",
    )
    best = serializers.SerializerMethodField()
    run = serializers.SerializerMethodField()
    created_by = serializers.CharField(
        source="created_by.username", default=None, allow_null=True, read_only=True
    )

    class Meta:
        model = Study
        fields = (
            "id",
            "name",
            "target",
            "workload",
            "state",
            "phase",
            "is_paused",
            "objective",
            "budget",
            "space",
            "current",
            "seed",
            "spent_s",
            "best",
            "findings",
            "proof",
            "verdict",
            "warm_from",
            "environment",
            "run",
            "created_at",
            "created_by",
            "finished_at",
        )
        read_only_fields = fields

    def get_state(self, study: Study) -> str:
        return study.state

    @extend_schema_field(TrialSerializer(allow_null=True))
    def get_best(self, study: Study) -> Any:
        return TrialSerializer(study.best).data if study.best else None

    @extend_schema_field(OpenApiTypes.UUID)
    def get_run(self, study: Study) -> str | None:
        return str(study.run_id) if study.run_id else None


class StartedSerializer(RunSerializer):
    """The run of a study, with the study beside it."""

    study = serializers.SerializerMethodField()

    class Meta(RunSerializer.Meta):
        fields = (*RunSerializer.Meta.fields, "study")
        read_only_fields = fields

    @extend_schema_field(OpenApiTypes.UUID)
    def get_study(self, run: Any) -> str:
        return str(run.parameters["study"])


class WhySerializer(StrictSerializer):
    """Why something is done."""

    reason = serializers.CharField(required=False, allow_blank=True, max_length=1_000, default="")


class OptionSerializer(serializers.Serializer[Any]):
    """Something that can be set."""

    name = serializers.CharField()
    kind = serializers.CharField(help_text="integer, real, choice or switch.")
    default = serializers.JSONField()
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    choices = serializers.ListField(child=serializers.CharField())
    unit = serializers.CharField()
    help = serializers.CharField()


class WorkloadSerializer(serializers.Serializer[Any]):
    """A load, or what is measured on."""

    name = serializers.CharField()
    help = serializers.CharField()


class MetricSerializer(serializers.Serializer[Any]):
    """A figure of a measurement."""

    name = serializers.CharField()
    title = serializers.CharField()
    unit = serializers.CharField()
    direction = serializers.CharField(help_text="higher or lower is better.")
    factor = serializers.CharField(help_text="throughput, latency, accuracy or scaling.")
    source = serializers.CharField()  # type: ignore[assignment]  # the name it has outside


class TargetSerializer(serializers.Serializer[Any]):
    """Something real whose options can be tuned."""

    name = serializers.CharField()
    title = serializers.CharField()
    options = OptionSerializer(many=True)
    workloads = WorkloadSerializer(many=True)
    metrics = MetricSerializer(many=True)
