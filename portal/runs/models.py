"""Runs, their events and artifacts, and the slots of schedules."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from portal.lib import clock


class State(models.TextChoices):
    """Where a run stands."""

    QUEUED = "queued", _("Queued")
    RUNNING = "running", _("Running")
    SUCCEEDED = "succeeded", _("Succeeded")
    FAILED = "failed", _("Failed")
    ERRORED = "errored", _("Errored")
    CANCELLED = "cancelled", _("Cancelled")


#: How the keys of alerts begin that tell of a run nobody has retried or dismissed.
DEAD_LETTER = "run-errored:"
TERMINAL_STATES = frozenset({State.SUCCEEDED, State.FAILED, State.ERRORED, State.CANCELLED})


class Queue(models.TextChoices):
    """Classes of work that must not disturb one another."""

    INTERACTIVE = "interactive", _("Interactive")
    TRAIN = "train", _("Training")
    BENCH = "bench", _("Benchmark")
    MAINTENANCE = "maintenance", _("Maintenance")


class RunQuerySet(models.QuerySet["Run"]):
    def queued(self) -> "RunQuerySet":
        return self.filter(state=State.QUEUED)

    def running(self) -> "RunQuerySet":
        return self.filter(state=State.RUNNING)

    def active(self) -> "RunQuerySet":
        """Select the runs that are not over."""
        return self.exclude(state__in=TERMINAL_STATES)

    def dead(self) -> "RunQuerySet":
        """Select the dead letters: runs that a bug or dying workers ended."""
        return self.filter(state=State.ERRORED)


class Run(models.Model):
    """One piece of work: the row is the truth, a broker message only a hint."""

    class Via(models.TextChoices):
        PERSON = "person", _("Person")
        KEY = "key", _("API key")
        SCHEDULE = "schedule", _("Schedule")
        DRIFT = "drift", _("Drift event")
        COMMAND = "command", _("Command line")
        SYSTEM = "system", _("The portal itself")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(_("kind"), max_length=80, db_index=True)
    queue = models.CharField(_("queue"), max_length=20, choices=Queue.choices)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.QUEUED)
    title = models.CharField(_("title"), max_length=200, blank=True)
    parameters = models.JSONField(_("parameters"), default=dict)
    seed = models.BigIntegerField(_("seed"), default=0)
    parent = models.ForeignKey(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="children",
        verbose_name=_("parent run"),
    )
    retry_of = models.ForeignKey(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="retries",
        verbose_name=_("retry of"),
    )

    attempt = models.PositiveSmallIntegerField(_("attempt"), default=0)
    max_attempts = models.PositiveSmallIntegerField(_("most attempts"), default=3)
    fence = models.BigIntegerField(_("fencing token"), default=0)
    lease_expires_at = models.DateTimeField(_("lease until"), null=True, blank=True)
    heartbeat_at = models.DateTimeField(_("last heartbeat"), null=True, blank=True)
    worker = models.CharField(_("worker"), max_length=200, blank=True)
    host = models.CharField(_("host"), max_length=120, blank=True)
    sent_at = models.DateTimeField(_("message sent"), null=True, blank=True)
    not_before = models.DateTimeField(_("not before"), null=True, blank=True)
    cancel_requested_at = models.DateTimeField(_("cancel requested"), null=True, blank=True)
    cancel_requested_by = models.CharField(_("cancel requested by"), max_length=150, blank=True)

    progress_fraction = models.FloatField(_("progress"), default=0.0)
    progress_phase = models.CharField(_("phase"), max_length=80, blank=True)
    progress_message = models.CharField(_("message"), max_length=300, blank=True)
    progress_rate = models.FloatField(_("rate per second"), null=True, blank=True)
    progress_eta_s = models.FloatField(_("seconds left"), null=True, blank=True)

    result = models.JSONField(_("result"), default=dict, blank=True)
    error_code = models.CharField(_("error code"), max_length=80, blank=True)
    error_message = models.TextField(_("error"), blank=True)

    code_revision = models.CharField(_("code revision"), max_length=64, blank=True)
    library_versions = models.JSONField(_("library versions"), default=dict, blank=True)
    dataset_fingerprint = models.CharField(_("data-set fingerprint"), max_length=64, blank=True)
    peak_memory_bytes = models.BigIntegerField(_("peak memory"), null=True, blank=True)
    cpu_seconds = models.FloatField(_("CPU seconds"), null=True, blank=True)

    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="runs",
        verbose_name=_("started by"),
    )
    started_via = models.CharField(
        _("started via"), max_length=10, choices=Via.choices, default=Via.SYSTEM
    )
    started_via_detail = models.CharField(_("key, schedule or event"), max_length=200, blank=True)
    request_id = models.CharField(_("request"), max_length=64, blank=True)
    overlap_key = models.CharField(_("overlap key"), max_length=200, blank=True)

    created_at = models.DateTimeField(_("created"), default=clock.now, editable=False)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        verbose_name = _("run")
        verbose_name_plural = _("runs")
        ordering = ("-created_at",)
        default_permissions = ("view",)
        permissions = [
            ("cancel_run", _("Can cancel runs")),
            ("retry_run", _("Can retry and requeue runs")),
        ]
        indexes = [
            models.Index(fields=["state", "created_at"], name="runs_state_created"),
            models.Index(fields=["kind", "created_at"], name="runs_kind_created"),
            models.Index(
                fields=["lease_expires_at"], name="runs_lease", condition=Q(state=State.RUNNING)
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(progress_fraction__gte=0) & Q(progress_fraction__lte=1),
                name="runs_progress_share",
            ),
            models.CheckConstraint(condition=Q(state__in=State.values), name="runs_state_known"),
            models.CheckConstraint(
                condition=Q(state__in=[State.QUEUED, State.RUNNING], finished_at__isnull=True)
                | Q(state__in=sorted(TERMINAL_STATES), finished_at__isnull=False),
                name="runs_finished_when_terminal",
            ),
            models.CheckConstraint(
                condition=~Q(state=State.RUNNING) | Q(lease_expires_at__isnull=False),
                name="runs_running_has_lease",
            ),
            models.UniqueConstraint(
                fields=["overlap_key"],
                condition=Q(state=State.RUNNING) & ~Q(overlap_key=""),
                name="runs_overlap_one_running",
            ),
            models.UniqueConstraint(
                fields=["retry_of"],
                condition=Q(state__in=[State.QUEUED, State.RUNNING]),
                name="runs_retry_one_active",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title or self.kind} {str(self.id)[:8]}"

    @property
    def is_terminal(self) -> bool:
        return self.state in TERMINAL_STATES

    @property
    def is_cancel_requested(self) -> bool:
        return self.cancel_requested_at is not None

    @property
    def worker_pid(self) -> int:
        """Return the process id at the end of the worker's name; 0 when there is none."""
        pid = self.worker.rpartition(":")[2]
        return int(pid) if pid.isdigit() else 0


class RunEvent(models.Model):
    """One line of a run's story: progress, log, metric point or change of state."""

    class Type(models.TextChoices):
        STATE = "state", _("State")
        PROGRESS = "progress", _("Progress")
        LOG = "log", _("Log")
        METRIC = "metric", _("Metric")

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(Run, models.CASCADE, related_name="events", verbose_name=_("run"))
    at = models.DateTimeField(_("time"), default=clock.now)
    type = models.CharField(_("type"), max_length=10, choices=Type.choices)
    level = models.CharField(_("level"), max_length=10, blank=True)
    name = models.CharField(_("name"), max_length=120, blank=True)
    value = models.FloatField(_("value"), null=True, blank=True)
    step = models.BigIntegerField(_("step"), null=True, blank=True)
    message = models.TextField(_("message"), blank=True)
    data = models.JSONField(_("data"), default=dict, blank=True)

    class Meta:
        verbose_name = _("run event")
        verbose_name_plural = _("run events")
        ordering = ("id",)
        default_permissions = ("view",)
        indexes = [models.Index(fields=["run", "id"], name="runs_event_run_id")]

    def __str__(self) -> str:
        return f"{self.type} {self.name or self.message}"


class Artifact(models.Model):
    """Content kept once under its SHA-256."""

    sha256 = models.CharField(_("SHA-256"), max_length=64, primary_key=True)
    size_bytes = models.BigIntegerField(_("size"))
    media_type = models.CharField(_("media type"), max_length=100)
    created_at = models.DateTimeField(_("created"), default=clock.now)

    class Meta:
        verbose_name = _("artifact")
        verbose_name_plural = _("artifacts")
        ordering = ("-created_at",)
        default_permissions = ("view",)

    def __str__(self) -> str:
        return self.sha256[:12]

    @property
    def storage_name(self) -> str:
        """Where the content lies in the artifact storage."""
        return f"sha256/{self.sha256[:2]}/{self.sha256}"


class RunArtifact(models.Model):
    """What a run produced, by name."""

    run = models.ForeignKey(
        Run, models.CASCADE, related_name="run_artifacts", verbose_name=_("run")
    )
    artifact = models.ForeignKey(
        Artifact, models.PROTECT, related_name="+", verbose_name=_("artifact")
    )
    name = models.CharField(_("name"), max_length=200)

    class Meta:
        verbose_name = _("run artifact")
        verbose_name_plural = _("run artifacts")
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["run", "name"], name="runs_artifact_name_once")
        ]

    def __str__(self) -> str:
        return self.name


class Schedule(models.Model):
    """What a beat entry starts, and what happens when it is late or still busy."""

    class MissedPolicy(models.TextChoices):
        SKIP = "skip", _("Skip missed times")
        ONCE = "once", _("Run once for all missed times")

    class OverlapPolicy(models.TextChoices):
        SKIP = "skip", _("Skip while the last one is active")
        QUEUE = "queue", _("Queue behind the last one")

    name = models.CharField(_("name"), max_length=200, unique=True)
    periodic_task = models.OneToOneField(
        "django_celery_beat.PeriodicTask",
        models.CASCADE,
        related_name="run_schedule",
        verbose_name=_("beat entry"),
    )
    kind = models.CharField(_("run kind"), max_length=80)
    parameters = models.JSONField(_("parameters"), default=dict, blank=True)
    missed_policy = models.CharField(
        _("missed times"), max_length=10, choices=MissedPolicy.choices, default=MissedPolicy.SKIP
    )
    overlap_policy = models.CharField(
        _("overlap"), max_length=10, choices=OverlapPolicy.choices, default=OverlapPolicy.SKIP
    )
    overlap_key = models.CharField(_("overlap key"), max_length=200, blank=True)
    grace_s = models.PositiveIntegerField(_("late after seconds"), default=300)
    anchor_at = models.DateTimeField(_("intervals counted from"), default=clock.now)
    checked_until = models.DateTimeField(_("due times settled until"), default=clock.now)
    next_due_at = models.DateTimeField(_("next due"), null=True, blank=True, editable=False)
    definition = models.CharField(
        _("definition last seen"), max_length=500, blank=True, editable=False
    )
    seeded = models.JSONField(_("values set by the product"), default=dict, editable=False)

    class Meta:
        verbose_name = _("schedule")
        verbose_name_plural = _("schedules")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class ScheduleSlot(models.Model):
    """One due time of a schedule and what became of it; unique, so a second beat is harmless."""

    class Outcome(models.TextChoices):
        STARTED = "started", _("Started")
        SKIPPED_OVERLAP = "skipped_overlap", _("Skipped: still busy")
        MISSED = "missed", _("Missed")

    schedule = models.ForeignKey(
        Schedule, models.CASCADE, related_name="slots", verbose_name=_("schedule")
    )
    due_at = models.DateTimeField(_("due"))
    outcome = models.CharField(_("outcome"), max_length=20, choices=Outcome.choices)
    run = models.ForeignKey(
        Run, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("run")
    )
    at = models.DateTimeField(_("settled"), default=clock.now)

    class Meta:
        verbose_name = _("schedule slot")
        verbose_name_plural = _("schedule slots")
        ordering = ("-due_at",)
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["schedule", "due_at"], name="runs_slot_once"),
        ]

    def __str__(self) -> str:
        return f"{self.schedule_id} {self.due_at:%Y-%m-%d %H:%M}"


class Heartbeat(models.Model):
    """The last sign of life of a named process: the beat, a worker, the recorder."""

    name = models.CharField(_("name"), max_length=200, primary_key=True)
    role = models.CharField(_("role"), max_length=20, db_index=True)
    at = models.DateTimeField(_("last seen"), default=clock.now)
    host = models.CharField(_("host"), max_length=120)
    pid = models.PositiveIntegerField(_("process"))
    detail = models.JSONField(_("detail"), default=dict, blank=True)

    class Meta:
        verbose_name = _("heartbeat")
        verbose_name_plural = _("heartbeats")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return self.name
