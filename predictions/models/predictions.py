"""Recorded predictions and why they came out as they did."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from portal.lib import clock
from portal.registry.models import ModelVersion


class Prediction(models.Model):
    """One answered prediction, as it was given.

    The identifier is a version 7 UUID: it begins with the time, so rows arrive in index order and a
    prediction that is still on its way can be found by the moment it carries.
    """

    class Label(models.TextChoices):
        DEFECT = "defect", _("Defect")
        OK = "ok", _("OK")

    class Confidence(models.TextChoices):
        HIGH = "high", _("High")
        MEDIUM = "medium", _("Medium")
        LOW = "low", _("Low")

    class Role(models.TextChoices):
        """Why this version answered and not another."""

        CHAMPION = "champion", _("Champion")
        CHALLENGER = "challenger", _("Challenger, by its share")
        FALLBACK = "fallback", _("Champion in place of the challenger")
        NAMED = "named", _("Named by the caller")

    id = models.UUIDField(primary_key=True, editable=False)
    version = models.ForeignKey(
        ModelVersion,
        models.PROTECT,
        related_name="+",
        verbose_name=_("model version"),
        db_constraint=False,
    )
    role = models.CharField(
        _("answered as"),
        max_length=10,
        choices=Role.choices,
        default=Role.CHAMPION,
        db_default=Role.CHAMPION,
    )
    challenger_share = models.FloatField(
        _("share of the challenger at that time"), default=0.0, db_default=0.0
    )
    at = models.DateTimeField(_("time"))
    features = models.JSONField(_("features"))
    probability = models.FloatField(_("probability"))
    predicted_class = models.CharField(_("class"), max_length=10, choices=Label.choices)
    confidence = models.CharField(_("confidence"), max_length=10, choices=Confidence.choices)
    latent = models.JSONField(_("latent features"), default=list)
    latency_ms = models.FloatField(_("latency in ms"))
    principal = models.CharField(_("asked by"), max_length=80, blank=True)
    request_id = models.CharField(_("request"), max_length=64, blank=True)

    class Meta:
        verbose_name = _("prediction")
        verbose_name_plural = _("predictions")
        ordering = ("-at", "-id")
        default_permissions = ("view",)
        permissions = [("predict_file", _("Can have whole files predicted"))]
        indexes = [
            models.Index(fields=["version", "at"], name="predictions_version_at"),
            models.Index(fields=["at", "id"], name="predictions_at_id"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(probability__gte=0) & Q(probability__lte=1),
                name="predictions_probability_share",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.predicted_class} {self.probability:.3f}"


class Explanation(models.Model):
    """Why a prediction came out as it did, as it was first told."""

    prediction = models.OneToOneField(
        Prediction,
        models.CASCADE,
        primary_key=True,
        related_name="explanation",
        verbose_name=_("prediction"),
        db_constraint=False,  # the prediction may still be in the stream
    )
    method = models.CharField(_("method"), max_length=120)
    base_value = models.FloatField(_("base value in log-odds"))
    margin = models.FloatField(_("prediction in log-odds"))
    probability = models.FloatField(_("probability"))
    importance = models.JSONField(_("contributions in log-odds"))
    created_at = models.DateTimeField(_("explained"), default=clock.now, editable=False)

    class Meta:
        verbose_name = _("explanation")
        verbose_name_plural = _("explanations")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return str(self.prediction_id)

    @property
    def ranked(self) -> list[tuple[str, float]]:
        """Features and what each added, in log-odds, the largest first."""
        return sorted(self.importance.items(), key=lambda item: (-abs(item[1]), item[0]))
