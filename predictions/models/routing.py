"""Proposed routings and what planners made of them."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from portal.lib import clock
from portal.registry.models import ModelVersion
from predictions.models.predictions import Prediction


class RoutingPrediction(models.Model):
    """One answered question for a routing, as it was answered; an item that was refused too."""

    class Confidence(models.TextChoices):
        HIGH = "high", _("High")
        MEDIUM = "medium", _("Medium")
        LOW = "low", _("Low")
        NONE = "none", _("Refused")

    id = models.UUIDField(primary_key=True, editable=False)
    version = models.ForeignKey(
        ModelVersion, models.PROTECT, related_name="+", verbose_name=_("model version")
    )
    role = models.CharField(
        _("answered as"),
        max_length=10,
        choices=Prediction.Role.choices,
        default=Prediction.Role.CHAMPION,
    )
    challenger_share = models.FloatField(_("share of the challenger at that time"), default=0.0)
    at = models.DateTimeField(_("time"))
    item_code = models.CharField(_("item code"), max_length=60, blank=True)
    item = models.JSONField(_("item"))
    answer = models.JSONField(_("answer"))
    n_steps = models.PositiveSmallIntegerField(_("steps"))
    probability = models.FloatField(_("probability of being exact"))
    confidence = models.CharField(_("confidence"), max_length=10, choices=Confidence.choices)
    familiarity = models.FloatField(_("familiarity"))
    latency_ms = models.FloatField(_("latency in ms"))
    principal = models.CharField(_("asked by"), max_length=80, blank=True)
    request_id = models.CharField(_("request"), max_length=64, blank=True)

    class Meta:
        verbose_name = _("proposed routing")
        verbose_name_plural = _("proposed routings")
        ordering = ("-at", "-id")
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["version", "at"], name="predictions_routing_version_at"),
            models.Index(fields=["at", "id"], name="predictions_routing_at_id"),
            models.Index(fields=["item_code"], name="predictions_routing_item_code"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(probability__gte=0) & Q(probability__lte=1),
                name="predictions_routing_probability_share",
            ),
            models.CheckConstraint(
                condition=Q(confidence="none", n_steps=0)
                | ~Q(confidence="none") & Q(n_steps__gt=0),
                name="predictions_routing_refused_or_proposed",
            ),
        ]

    def __str__(self) -> str:
        return self.item_code or str(self.pk)

    @property
    def is_refused(self) -> bool:
        """Whether the item was too unlike everything known."""
        return self.confidence == self.Confidence.NONE


class RoutingOutcomeQuerySet(models.QuerySet["RoutingOutcome"]):
    def current(self) -> "RoutingOutcomeQuerySet":
        """Select the last word on each proposal."""
        return self.filter(is_current=True)


class RoutingOutcome(models.Model):
    """What a planner decided: the routing that an item got.

    Rows are never changed but for `is_current`; a correction of a correction is another row.
    """

    class Verdict(models.TextChoices):
        ACCEPTED = "accepted", _("Accepted")
        CORRECTED = "corrected", _("Corrected")

    prediction = models.ForeignKey(
        RoutingPrediction,
        models.PROTECT,
        related_name="outcomes",
        verbose_name=_("proposed routing"),
    )
    verdict = models.CharField(_("verdict"), max_length=10, choices=Verdict.choices)
    item_code = models.CharField(_("item code"), max_length=60, blank=True)
    routing = models.JSONField(_("routing"))
    same_operations = models.BooleanField(_("same operations in the same order"))
    is_current = models.BooleanField(_("current"), default=True)
    reported_by = models.CharField(_("reported by"), max_length=80, blank=True)
    recorded_at = models.DateTimeField(_("recorded"), default=clock.now, editable=False)

    objects = RoutingOutcomeQuerySet.as_manager()

    class Meta:
        verbose_name = _("decided routing")
        verbose_name_plural = _("decided routings")
        ordering = ("-recorded_at", "-id")
        default_permissions = ("add", "view")
        indexes = [
            models.Index(fields=["-recorded_at", "-id"], name="predictions_decided_recorded"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["prediction"],
                condition=Q(is_current=True),
                name="predictions_decided_one_current",
            ),
            models.CheckConstraint(
                condition=Q(verdict__in=["accepted", "corrected"]),
                name="predictions_decided_verdict_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.prediction_id} {self.verdict}"
