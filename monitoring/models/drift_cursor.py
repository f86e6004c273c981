"""How far the stream of predictions was counted."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class DriftCursor(models.Model):
    """How far the predictions were counted; its turn fences out whoever fell behind."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    turn = models.BigIntegerField(default=0)
    n_counted = models.BigIntegerField(default=0)
    last_id = models.UUIDField(null=True)

    class Meta:
        verbose_name = _("drift cursor")
        verbose_name_plural = _("drift cursors")
        default_permissions = ()
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="monitoring_one_cursor"),
        ]

    def __str__(self) -> str:
        return f"turn {self.turn}"


class Arrival(models.Model):
    """A prediction in the table that was not counted yet; a trigger writes it with the row.

    An identifier tells when a prediction was made, not when its row was committed: rows come late
    when a recorder or Redis was away. What waits here is exactly what is committed and not counted.
    """

    prediction_id = models.UUIDField(primary_key=True, editable=False)

    class Meta:
        verbose_name = _("prediction to count")
        verbose_name_plural = _("predictions to count")
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.prediction_id)
