"""What is watched: windows, what they hold now, what they held, and their course."""

from datetime import timedelta

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from monitoring.engine.calibration import MIN_WINDOWS
from monitoring.models.drift_policy import Slicing
from portal.lib import clock
from portal.registry.models import ModelVersion

THIRTY_DAYS = timedelta(days=30)


class DriftWindowQuerySet(models.QuerySet["DriftWindow"]):
    def whole(self) -> "DriftWindowQuerySet":
        """Select the windows of whole models."""
        return self.filter(slice="")

    def to_calibrate(self) -> "DriftWindowQuerySet":
        """Select windows for which more can be learnt than was."""
        first = Q(reference__isnull=False, calibration__isnull=True, slice="")
        second = Q(n_past__gte=MIN_WINDOWS, is_calibrated=False)
        return self.filter(first | second)


class DriftWindow(models.Model):
    """The stream of one version, or of a slice of it: what was counted, learnt and seen last.

    Everything but `n_seen` starts anew when the version goes live again or somebody resets it.
    """

    class State(models.TextChoices):
        NO_BASELINE = "missing_baseline", _("Baseline missing")
        NOT_ENOUGH = "not_enough", _("Not enough predictions")
        CALIBRATING = "calibrating", _("Calibrating")
        WATCHING = "watching", _("Watching")

    class Source(models.TextChoices):
        TRAINING = "training", _("Training")
        LIVE = "live", _("First windows after going live")

    version = models.ForeignKey(
        ModelVersion, models.CASCADE, related_name="drift_windows", verbose_name=_("version")
    )
    slice = models.CharField(_("slice"), max_length=140, blank=True)
    window = models.PositiveIntegerField(_("window"))
    n_seen = models.BigIntegerField(_("predictions counted"), default=0)
    n_kept = models.BigIntegerField(_("predictions since the start"), default=0)
    since = models.DateTimeField(_("start"), default=clock.now)
    first_at = models.DateTimeField(_("first prediction"), null=True, blank=True)
    last_at = models.DateTimeField(_("last prediction"), null=True, blank=True)
    reference = models.JSONField(_("reference"), null=True, blank=True)
    source = models.CharField(
        _("reference from"), max_length=10, choices=Source.choices, blank=True
    )
    calibration = models.JSONField(_("calibration"), null=True, blank=True)
    is_calibrated = models.BooleanField(_("calibrated"), default=False)
    calibrated_at = models.DateTimeField(_("calibrated"), null=True, blank=True)
    n_past = models.PositiveIntegerField(_("past windows"), default=0)
    latest = models.JSONField(_("last look"), null=True, blank=True)
    judged = models.JSONField(_("last judgement by labels"), null=True, blank=True)
    made_at = models.DateTimeField(_("made"), default=clock.now, editable=False)

    objects = DriftWindowQuerySet.as_manager()

    class Meta:
        verbose_name = _("drift window")
        verbose_name_plural = _("drift")
        ordering = ("-version_id", "slice")
        default_permissions = ("view",)
        permissions = [("reset_drift", _("Can reset the watch on drift"))]
        constraints = [
            models.UniqueConstraint(fields=["version", "slice"], name="monitoring_window_once"),
        ]

    def __str__(self) -> str:
        return f"{self.version} {self.slice}".strip()

    @property
    def part(self) -> str:
        """What people call the part of the stream that is watched."""
        way, _colon, value = self.slice.partition(":")
        named = f"{Slicing(way).label} {value}" if way in Slicing.values else self.slice
        return named or gettext("whole model")

    @property
    def buffer_size(self) -> int:
        """Predictions that are compared now."""
        return min(self.n_kept, self.window)

    @property
    def state(self) -> "DriftWindow.State":
        """What can be said at all."""
        if self.reference is None and not self.slice:
            return self.State.NO_BASELINE
        if self.n_kept < self.window:
            return self.State.NOT_ENOUGH
        return self.State.WATCHING if self.is_calibrated else self.State.CALIBRATING

    @property
    def values_per_month(self) -> float:
        """The traffic, from all there was; a stream younger than a day is taken for a day old."""
        if self.first_at is None or self.last_at is None:
            return 0.0
        age = max(self.last_at - self.first_at, timedelta(days=1))
        return self.n_seen * (THIRTY_DAYS / age)


class DriftBlock(models.Model):
    """One step of a window: its rows as they came, in a ring of slots."""

    window = models.ForeignKey(DriftWindow, models.CASCADE, related_name="blocks")
    slot = models.PositiveSmallIntegerField()
    number = models.BigIntegerField()
    rows = models.BinaryField()
    last_id = models.UUIDField()
    last_at = models.DateTimeField()

    class Meta:
        verbose_name = _("step of a drift window")
        verbose_name_plural = _("steps of drift windows")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["window", "slot"], name="monitoring_block_slot"),
        ]

    def __str__(self) -> str:
        return f"{self.window_id} #{self.number}"


class DriftPast(models.Model):
    """One whole window of the past, in summaries, from which is learnt what is quiet."""

    window = models.ForeignKey(DriftWindow, models.CASCADE, related_name="past")
    number = models.PositiveIntegerField()
    content = models.BinaryField()
    until = models.DateTimeField()

    class Meta:
        verbose_name = _("past drift window")
        verbose_name_plural = _("past drift windows")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["window", "number"], name="monitoring_past_once"),
        ]

    def __str__(self) -> str:
        return f"{self.window_id} past {self.number}"


class DriftPoint(models.Model):
    """The worst look of five minutes, for the course over time."""

    window = models.ForeignKey(DriftWindow, models.CASCADE, related_name="points")
    at = models.DateTimeField(_("time"))
    n_looks = models.PositiveIntegerField(default=1)
    kl = models.FloatField()
    threshold = models.FloatField(null=True)
    psi = models.FloatField()
    estimated_f1 = models.FloatField(null=True)
    columns = models.BinaryField()

    class Meta:
        verbose_name = _("point of a drift course")
        verbose_name_plural = _("points of drift courses")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["window", "at"], name="monitoring_point_once"),
        ]
        indexes = [models.Index(fields=["at"], name="monitoring_point_at")]

    def __str__(self) -> str:
        return f"{self.window_id} {self.at:%F %H:%M}"
