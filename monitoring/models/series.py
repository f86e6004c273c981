"""What was counted in each minute and hour, taken from the metrics of every machine."""

from datetime import timedelta

from django.db import models
from django.utils.translation import gettext_lazy as _

KEPT_MINUTES = timedelta(days=35)
KEPT_HOURS = timedelta(days=730)


class SeriesSpan(models.Model):
    """What a counter grew by in a span of time, and how a histogram's values were spread."""

    name = models.CharField(_("series"), max_length=60)
    source = models.CharField(_("machine"), max_length=160)
    at = models.DateTimeField(_("start"))
    count = models.FloatField(_("count"))
    buckets = models.JSONField(_("count by bucket"), default=dict)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.name} {self.at}"


class SeriesMinute(SeriesSpan):
    """One minute of a series on one machine; a minute without any has no row."""

    pk = models.CompositePrimaryKey("name", "at", "source")

    class Meta:
        verbose_name = _("series in a minute")
        verbose_name_plural = _("series by minutes")
        default_permissions = ()
        indexes = [models.Index(fields=["at"], name="monitoring_series_minute_at")]


class SeriesHour(SeriesSpan):
    """One hour of a series on one machine."""

    pk = models.CompositePrimaryKey("name", "at", "source")

    class Meta:
        verbose_name = _("series in an hour")
        verbose_name_plural = _("series by hours")
        default_permissions = ()
        indexes = [models.Index(fields=["at"], name="monitoring_series_hour_at")]


class SeriesMark(models.Model):
    """Up to where a machine's counters were taken; moved in the transaction that writes minutes."""

    source = models.CharField(_("machine"), max_length=160, primary_key=True)
    at = models.DateTimeField(_("taken"))
    totals = models.JSONField(_("totals"), default=dict)

    class Meta:
        verbose_name = _("mark of the counters")
        verbose_name_plural = _("marks of the counters")
        default_permissions = ()

    def __str__(self) -> str:
        return self.source
