"""Running engines of the user's own, second by second, and summed up as they grow old.

Seconds are kept for two days, minutes for a month, hours for two years. Keys begin with the
instance, then the time, and nothing refers to a row.
"""

from datetime import datetime, timedelta

from django.db import models
from django.utils.translation import gettext_lazy as _

from portal.lib import clock

KEPT_SECONDS = timedelta(hours=48)
KEPT_MINUTES = timedelta(days=30)
KEPT_HOURS = timedelta(days=730)
#: An instance whose last sample is older than this is silent; ours.
SILENT_AFTER = timedelta(seconds=15)


class Instance(models.Model):
    """A RocksDB that a sidecar watches, here or on another host."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    host = models.CharField(_("host"), max_length=120, blank=True)
    folder = models.CharField(_("folder"), max_length=500, blank=True)
    version = models.CharField(_("RocksDB"), max_length=40, blank=True)
    pid = models.PositiveBigIntegerField(_("process"), null=True, blank=True)
    workload = models.CharField(_("workload"), max_length=60, blank=True)
    sends_readings = models.BooleanField(_("its rates are readings"), default=False)
    options = models.JSONField(_("options"), default=dict)
    prediction = models.JSONField(_("prediction"), default=dict)
    predicted_at = models.DateTimeField(_("predicted"), null=True, blank=True)
    n_lost = models.PositiveBigIntegerField(_("samples lost"), default=0)
    created_at = models.DateTimeField(_("first seen"), default=clock.now, editable=False)
    last_at = models.DateTimeField(_("last sample"), null=True, blank=True)

    class Meta:
        ordering = ("name",)
        verbose_name = _("instance")
        verbose_name_plural = _("instances")
        default_permissions = ()

    def __str__(self) -> str:
        return self.name

    @property
    def is_silent(self) -> bool:
        """Whether nothing was heard of it lately."""
        return self.last_at is None or clock.now() - self.last_at > SILENT_AFTER

    @property
    def predicted_rate(self) -> float | None:
        """The rate that the put-rate model says it would sustain; None without one."""
        rate: float | None = self.prediction.get("rate")
        return rate


class Figures(models.Model):
    """What was seen of an instance; empty where nothing tells."""

    instance = models.ForeignKey(
        Instance, models.CASCADE, related_name="+", db_index=False, verbose_name=_("instance")
    )
    at = models.DateTimeField(_("time"))
    rate = models.FloatField(_("writes a second"), null=True)
    rate_source = models.CharField(_("taken from"), max_length=12, blank=True)
    read_rate = models.FloatField(_("reads a second"), null=True)
    write_us = models.FloatField(_("mean of a write"), null=True)
    write_p99_us = models.FloatField(_("99th percentile of writes"), null=True)
    cpu_cores = models.FloatField(_("cores busy"), null=True)
    memory_bytes = models.FloatField(_("memory"), null=True)
    read_bytes_s = models.FloatField(_("read from disk a second"), null=True)
    written_bytes_s = models.FloatField(_("written to disk a second"), null=True)
    size_bytes = models.FloatField(_("size"), null=True)
    stalled_share = models.FloatField(_("time stalled"), null=True)
    n_stalls = models.FloatField(_("stalls told"), null=True)
    flushed_bytes_s = models.FloatField(_("flushed a second"), null=True)
    compacted_bytes_s = models.FloatField(_("compacted a second"), null=True)
    n_jobs = models.FloatField(_("flushes and compactions at work"), null=True)
    l0_files = models.FloatField(_("files of level 0"), null=True)
    debt_bytes = models.FloatField(_("compaction debt"), null=True)
    predicted = models.FloatField(_("predicted"), null=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.instance_id} {self.at}"


class InstanceSample(Figures):
    """One second of an instance."""

    pk = models.CompositePrimaryKey("instance_id", "at")

    class Meta:
        verbose_name = _("sample of an instance")
        verbose_name_plural = _("samples of instances")
        default_permissions = ()
        indexes = [models.Index(fields=["at"], name="tuning_instance_sample_at")]


class Summary(Figures):
    """A span of time, summed up from finer rows: means, but for stalls told, which are added."""

    n = models.PositiveIntegerField(_("samples"))
    rate_low = models.FloatField(_("lowest rate"), null=True)
    rate_high = models.FloatField(_("highest rate"), null=True)

    class Meta:
        abstract = True


class InstanceMinute(Summary):
    """One minute of an instance."""

    pk = models.CompositePrimaryKey("instance_id", "at")

    class Meta:
        verbose_name = _("minute of an instance")
        verbose_name_plural = _("minutes of instances")
        default_permissions = ()
        indexes = [models.Index(fields=["at"], name="tuning_instance_minute_at")]


class InstanceHour(Summary):
    """One hour of an instance."""

    pk = models.CompositePrimaryKey("instance_id", "at")

    class Meta:
        verbose_name = _("hour of an instance")
        verbose_name_plural = _("hours of instances")
        default_permissions = ()
        indexes = [models.Index(fields=["at"], name="tuning_instance_hour_at")]


def minute_of(at: datetime) -> datetime:
    """Return the start of the minute that a time lies in."""
    return at.replace(second=0, microsecond=0)


def hour_of(at: datetime) -> datetime:
    """Return the start of the hour that a time lies in."""
    return at.replace(minute=0, second=0, microsecond=0)
