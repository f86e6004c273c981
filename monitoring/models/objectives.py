"""What the portal is to achieve, and what was measured of it."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from portal.lib import clock


class Objective(models.Model):
    """One KPI with its goal; what it means and how it is measured is in the code, by its kind."""

    kind = models.CharField(_("kind"), max_length=60, unique=True)
    target = models.FloatField(_("goal"), null=True, blank=True)
    window_days = models.PositiveSmallIntegerField(_("window in days"))
    owner = models.CharField(_("owner"), max_length=150, blank=True)
    parameters = models.JSONField(_("parameters"), default=dict, blank=True)
    changed_by = models.CharField(_("changed by"), max_length=150, blank=True)
    changed_at = models.DateTimeField(_("changed"), null=True, blank=True)

    class Meta:
        verbose_name = _("objective")
        verbose_name_plural = _("objectives")
        ordering = ("id",)
        default_permissions = ("change", "view")
        constraints = [
            models.CheckConstraint(
                condition=Q(window_days__gte=1) & Q(window_days__lte=365),
                name="monitoring_objective_window",
            ),
        ]

    def __str__(self) -> str:
        return self.kind


class Measurement(models.Model):
    """What was measured of an objective at one time; never changed afterwards."""

    class Status(models.TextChoices):
        MET = "met", _("Goal met")
        MISSED = "missed", _("Goal missed")
        UNSURE = "unsure", _("Not decided")
        NO_GOAL = "no_goal", _("No goal set")
        UNMEASURED = "unmeasured", _("Not measured yet")

    id = models.BigAutoField(primary_key=True)
    objective = models.ForeignKey(
        Objective, models.CASCADE, related_name="measurements", verbose_name=_("objective")
    )
    at = models.DateTimeField(_("time"), default=clock.now)
    status = models.CharField(_("status"), max_length=12, choices=Status.choices)
    reason = models.CharField(_("why not measured"), max_length=60, blank=True)
    value = models.FloatField(_("value"), null=True)
    low = models.FloatField(_("lower end"), null=True)
    high = models.FloatField(_("upper end"), null=True)
    n = models.FloatField(_("measured on"), default=0)
    budget_left = models.FloatField(_("budget left"), null=True)
    target = models.FloatField(_("goal then"), null=True)

    class Meta:
        verbose_name = _("measurement")
        verbose_name_plural = _("measurements")
        ordering = ("-at", "-id")
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["objective", "-at"], name="monitoring_measured_last"),
            models.Index(fields=["at"], name="monitoring_measured_at"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status="unmeasured", value__isnull=True) & ~Q(reason="")
                | ~Q(status="unmeasured") & Q(value__isnull=False, reason=""),
                name="monitoring_measured_or_not",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.objective_id} {self.status}"
