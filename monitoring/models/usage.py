"""What machines and runs used: readings for two days, minutes for a month, hours for two years.

Keys begin with what was read, then the time, and nothing refers to a row: the tables can be cut
into ranges of time without a change here.
"""

from datetime import timedelta
from uuid import UUID

from django.db import models
from django.utils.translation import gettext_lazy as _

KEPT_READINGS = timedelta(hours=48)
KEPT_MINUTES = timedelta(days=30)
KEPT_HOURS = timedelta(days=730)


def of_host(name: str) -> str:
    """Return the subject that stands for a machine."""
    return f"host:{name}"[:160]


def of_run(run_id: UUID | str) -> str:
    """Return the subject that stands for a run."""
    return f"run:{run_id}"


class UsageReading(models.Model):
    """What a machine or a run used at one moment; rates are those since the reading before."""

    pk = models.CompositePrimaryKey("subject", "at")
    subject = models.CharField(_("machine or run"), max_length=160)
    at = models.DateTimeField(_("time"))
    cpu_cores = models.FloatField(_("cores busy"))
    memory_bytes = models.BigIntegerField(_("memory"))
    read_bytes_s = models.FloatField(_("read from disk a second"))
    written_bytes_s = models.FloatField(_("written to disk a second"))
    free_bytes = models.BigIntegerField(_("disk free"), null=True)

    class Meta:
        verbose_name = _("usage reading")
        verbose_name_plural = _("usage readings")
        default_permissions = ()
        indexes = [models.Index(fields=["at"], name="monitoring_usage_reading_at")]

    def __str__(self) -> str:
        return f"{self.subject} {self.at}"


class UsageSummary(models.Model):
    """What was used in a span of time, summed up from finer rows."""

    subject = models.CharField(_("machine or run"), max_length=160)
    at = models.DateTimeField(_("start"))
    n = models.PositiveIntegerField(_("readings"))
    cpu_cores = models.FloatField(_("cores busy, mean"))
    cpu_cores_max = models.FloatField(_("cores busy, most"))
    memory_bytes = models.BigIntegerField(_("memory, mean"))
    memory_bytes_max = models.BigIntegerField(_("memory, most"))
    read_bytes_s = models.FloatField(_("read from disk a second, mean"))
    written_bytes_s = models.FloatField(_("written to disk a second, mean"))
    free_bytes = models.BigIntegerField(_("disk free, least"), null=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.subject} {self.at}"


class UsageMinute(UsageSummary):
    """One minute of a machine or a run."""

    pk = models.CompositePrimaryKey("subject", "at")

    class Meta:
        verbose_name = _("usage in a minute")
        verbose_name_plural = _("usage by minutes")
        default_permissions = ()
        indexes = [models.Index(fields=["at"], name="monitoring_usage_minute_at")]


class UsageHour(UsageSummary):
    """One hour of a machine or a run."""

    pk = models.CompositePrimaryKey("subject", "at")

    class Meta:
        verbose_name = _("usage in an hour")
        verbose_name_plural = _("usage by hours")
        default_permissions = ()
        indexes = [models.Index(fields=["at"], name="monitoring_usage_hour_at")]
