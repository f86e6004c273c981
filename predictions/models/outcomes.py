"""What became of predicted shots."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from portal.lib import clock
from predictions.models.predictions import Prediction


class OutcomeQuerySet(models.QuerySet["Outcome"]):
    def current(self) -> "OutcomeQuerySet":
        """Select the last word on each prediction."""
        return self.filter(is_current=True)

    def waiting(self) -> "OutcomeQuerySet":
        """Select outcomes whose prediction has not been found yet."""
        return self.filter(prediction__isnull=True)

    def disagreeing(self) -> "OutcomeQuerySet":
        """Select what turned out otherwise than predicted and nobody has inspected."""
        return self.current().filter(agrees=False, is_inspected=False)


class Outcome(models.Model):
    """What became of a shot, as somebody reported it.

    Rows are never changed but for `is_current`, and for what is filled in when the prediction of a
    waiting outcome is found. A correction is another row, so all that was ever said stays.
    """

    prediction = models.ForeignKey(
        Prediction,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="outcomes",
        verbose_name=_("prediction"),
        db_constraint=False,  # the prediction may still be in the stream
    )
    line = models.CharField(_("line"), max_length=120, blank=True)
    shot = models.BigIntegerField(_("shot"), null=True, blank=True)
    shot_at = models.DateTimeField(_("time of the shot"), null=True, blank=True)
    label = models.CharField(_("outcome"), max_length=10, choices=Prediction.Label.choices)
    observed_at = models.DateTimeField(_("observed"))
    is_inspected = models.BooleanField(_("inspected"), default=False)
    is_current = models.BooleanField(_("current"), default=False)
    agrees = models.BooleanField(_("as predicted"), null=True, blank=True)
    surprise = models.FloatField(_("surprise"), default=0.0)
    reported_by = models.CharField(_("reported by"), max_length=80, blank=True)
    recorded_at = models.DateTimeField(_("recorded"), default=clock.now, editable=False)

    objects = OutcomeQuerySet.as_manager()

    class Meta:
        verbose_name = _("outcome")
        verbose_name_plural = _("outcomes")
        ordering = ("-recorded_at", "-id")
        default_permissions = ("add", "view")
        indexes = [
            models.Index(fields=["-recorded_at", "-id"], name="predictions_outcome_recorded"),
            models.Index(
                fields=["-surprise"],
                name="predictions_outcome_disagrees",
                condition=Q(is_current=True, agrees=False, is_inspected=False),
            ),
            models.Index(
                fields=["shot_at"],
                name="predictions_outcome_waiting",
                condition=Q(prediction__isnull=True),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["prediction"],
                condition=Q(is_current=True),
                name="predictions_outcome_one_current",
            ),
            models.UniqueConstraint(
                fields=["prediction", "label", "observed_at", "is_inspected"],
                name="predictions_outcome_said_once",
            ),
            models.UniqueConstraint(
                fields=["line", "shot", "shot_at", "label", "observed_at", "is_inspected"],
                condition=Q(prediction__isnull=True),
                name="predictions_outcome_waits_once",
            ),
            models.CheckConstraint(
                condition=Q(prediction__isnull=False)
                | Q(shot__isnull=False, shot_at__isnull=False, is_current=False) & ~Q(line=""),
                name="predictions_outcome_says_of_what",
            ),
            models.CheckConstraint(
                condition=Q(prediction__isnull=True) | Q(agrees__isnull=False),
                name="predictions_outcome_compared",
            ),
            models.CheckConstraint(
                condition=Q(label__in=["defect", "ok"]), name="predictions_outcome_label_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.prediction_id or self.line} {self.label}"
