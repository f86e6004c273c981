"""Which version answers besides the champion, and what one in the shadow would have answered."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from portal.lib import clock
from portal.registry.models import ModelVersion, RegisteredModel
from predictions.models.predictions import Prediction

#: More would make the challenger the champion without a promotion.
MOST_SHARE = 0.5


class TrafficSplit(models.Model):
    """One decision on the share of requests that a challenger answers; the last one counts.

    It names the version it was made for: when the alias moves on, the share of the new challenger
    is zero until somebody decides anew.
    """

    model = models.ForeignKey(
        RegisteredModel, models.PROTECT, related_name="splits", verbose_name=_("model")
    )
    version = models.ForeignKey(
        ModelVersion, models.PROTECT, related_name="+", verbose_name=_("challenger")
    )
    share = models.FloatField(_("share of requests"))
    reason = models.CharField(_("reason"), max_length=2000)
    set_by = models.CharField(_("set by"), max_length=150)
    set_by_id = models.BigIntegerField(_("account"), null=True, blank=True)
    set_at = models.DateTimeField(_("set"), default=clock.now, editable=False)

    class Meta:
        verbose_name = _("share of a challenger")
        verbose_name_plural = _("shares of challengers")
        ordering = ("-id",)
        default_permissions = ("view",)
        permissions = [("split_traffic", _("Can set the share that a challenger answers"))]
        indexes = [models.Index(fields=["model", "-id"], name="predictions_split_latest")]
        constraints = [
            models.CheckConstraint(
                condition=Q(share__gte=0) & Q(share__lte=MOST_SHARE),
                name="predictions_split_share",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version} {self.share:.0%}"


class ShadowScore(models.Model):
    """What a version in the shadow says of a shot that another version answered."""

    id = models.BigAutoField(primary_key=True)
    prediction = models.ForeignKey(
        Prediction,
        models.CASCADE,
        related_name="shadow_scores",
        verbose_name=_("prediction"),
        db_constraint=False,  # as on outcomes: predictions are removed by the million
    )
    version = models.ForeignKey(
        ModelVersion,
        models.PROTECT,
        related_name="+",
        verbose_name=_("model version"),
        db_constraint=False,
    )
    at = models.DateTimeField(_("time of the prediction"))
    probability = models.FloatField(
        _("probability"), null=True, help_text=_("Empty when the version refuses such a shot.")
    )
    predicted_class = models.CharField(
        _("class"), max_length=10, choices=Prediction.Label.choices, blank=True
    )

    class Meta:
        verbose_name = _("shadow score")
        verbose_name_plural = _("shadow scores")
        ordering = ("-at", "-id")
        default_permissions = ("view",)
        indexes = [models.Index(fields=["version", "at"], name="predictions_shadow_version_at")]
        constraints = [
            models.UniqueConstraint(
                fields=["prediction", "version"], name="predictions_shadow_once"
            ),
            models.CheckConstraint(
                condition=Q(probability__gte=0, probability__lte=1)
                | Q(probability__isnull=True, predicted_class=""),
                name="predictions_shadow_probability",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version_id} {self.predicted_class or '-'}"
