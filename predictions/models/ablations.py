"""Ablation campaigns: runs of one kind, with the comparison that they keep."""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from portal.runs.models import Run

KIND = "predictions.ablation"
#: What a campaign keeps: the comparison so far, and what another attempt goes on from.
TABLE, CHECKPOINT = "ablation.json", "checkpoint.npz"


class AblationManager(models.Manager["Ablation"]):
    def get_queryset(self) -> models.QuerySet["Ablation"]:
        """Select the runs of this kind alone."""
        return super().get_queryset().filter(kind=KIND)


class Ablation(Run):
    """A run that compares features, latent sizes and learners on the same folds."""

    objects: ClassVar[AblationManager] = AblationManager()  # type: ignore[assignment]  # its own

    class Meta:
        proxy = True
        verbose_name = _("ablation")
        verbose_name_plural = _("ablations")
        default_permissions = ()

    @property
    def table_digest(self) -> str | None:
        """Digest of the comparison as far as it has come; None before the first cell."""
        kept = self.run_artifacts.filter(name=TABLE).values_list("artifact_id", flat=True)
        return kept.first()
