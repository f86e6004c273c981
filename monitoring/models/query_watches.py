"""What is known of the queries that live search indexes are asked."""

from datetime import timedelta
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from monitoring.engine import queries
from monitoring.engine.limits import ratio_of
from portal.lib import clock
from portal.registry.models import ModelVersion

THIRTY_DAYS = timedelta(days=30)


class QueryWatch(models.Model):
    """The watch on the queries of one version of an index, beside those asked before its build.

    Whatever it says follows from the baseline among the version's files and from the log of
    queries, so a look that was lost is made up by the next.
    """

    class State(models.TextChoices):
        NO_VECTORS = "no_vectors", _("Searches by words only")
        NO_BASELINE = "missing_baseline", _("Baseline missing")
        NOT_ENOUGH = "not_enough", _("Not enough queries")
        CALIBRATING = "calibrating", _("Calibrating")
        WATCHING = "watching", _("Watching")

    version = models.OneToOneField(
        ModelVersion, models.CASCADE, related_name="query_watch", verbose_name=_("version")
    )
    collection = models.CharField(_("collection"), max_length=200)
    has_vectors = models.BooleanField(_("has vectors"), default=True)
    n_baseline = models.PositiveIntegerField(_("queries in the baseline"), default=0)
    since = models.DateTimeField(_("live since"))
    last_at = models.DateTimeField(_("last query"), null=True, blank=True)
    n_since = models.PositiveBigIntegerField(_("queries since it is live"), default=0)
    calibration = models.JSONField(_("calibration"), null=True, blank=True)
    calibrated_at = models.DateTimeField(_("calibrated"), null=True, blank=True)
    statistic = models.FloatField(_("statistic"), null=True, blank=True)
    threshold = models.FloatField(_("threshold"), null=True, blank=True)
    looked_at = models.DateTimeField(_("last look"), null=True, blank=True)
    exceeded_at = models.DateTimeField(_("beyond the threshold since"), null=True, blank=True)
    course = models.JSONField(_("course"), default=list, blank=True)
    made_at = models.DateTimeField(_("made"), default=clock.now, editable=False)

    class Meta:
        verbose_name = _("watch on queries")
        verbose_name_plural = _("drift of queries")
        ordering = ("-version_id",)
        default_permissions = ("view",)

    def __str__(self) -> str:
        return str(self.version)

    @property
    def state(self) -> "QueryWatch.State":
        """What can be said at all."""
        if not self.has_vectors:
            return self.State.NO_VECTORS
        if self.n_baseline < queries.MIN_BASELINE:
            return self.State.NO_BASELINE
        if self.n_since < queries.WINDOW:
            return self.State.NOT_ENOUGH
        return self.State.CALIBRATING if self.calibration is None else self.State.WATCHING

    @property
    def ratio(self) -> float | None:
        """The statistic in thresholds, None before there is one."""
        if self.statistic is None or self.threshold is None:
            return None
        return ratio_of(self.statistic, self.threshold)

    @property
    def n_past(self) -> int:
        """Queries from which can be learnt what is quiet."""
        return self.n_baseline + self.n_since

    @property
    def queries_per_month(self) -> float:
        """The traffic since it is live; an index younger than a day is taken for a day old."""
        if self.last_at is None:
            return 0.0
        return self.n_since * (THIRTY_DAYS / max(self.last_at - self.since, timedelta(days=1)))

    def describe(self) -> dict[str, Any]:
        """Return the watch as the API tells it."""
        return {
            "collection": self.collection,
            "version": self.version.number,
            "state": self.state.value,
            "baseline_queries": self.n_baseline,
            "queries": self.n_since,
            "statistic": self.statistic,
            "threshold": self.threshold,
            "drift_detected": self.exceeded_at is not None,
            "exceeded_at": self.exceeded_at,
            "looked_at": self.looked_at,
        }
