"""Immutable versions, their files, and the frozen rows they are judged on."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from portal.lib import clock
from portal.registry.models.registered import RegisteredModel
from portal.runs.models import Artifact, Run

HEX_DIGEST = "^[0-9a-f]{64}$"


class EvaluationSet(models.Model):
    """Frozen rows that candidate and champion are both scored on."""

    model = models.ForeignKey(
        RegisteredModel, models.PROTECT, related_name="evaluation_sets", verbose_name=_("model")
    )
    artifact = models.ForeignKey(
        Artifact, models.PROTECT, related_name="+", verbose_name=_("artifact")
    )
    n_rows = models.PositiveIntegerField(_("rows"))
    description = models.CharField(_("description"), max_length=300, blank=True)
    dataset_fingerprint = models.CharField(_("data-set fingerprint"), max_length=64)
    created_at = models.DateTimeField(_("created"), default=clock.now, editable=False)

    class Meta:
        verbose_name = _("evaluation set")
        verbose_name_plural = _("evaluation sets")
        ordering = ("-created_at",)
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["model", "artifact"], name="registry_evaluation_set_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{str(self.artifact_id)[:12]} ({self.n_rows})"


class ModelVersionQuerySet(models.QuerySet["ModelVersion"]):
    def promotable(self) -> "ModelVersionQuerySet":
        """Versions that may still go live."""
        return self.filter(state=ModelVersion.State.READY)


class ModelVersion(models.Model):
    """One immutable outcome of a run; only its state may change after it is written."""

    class State(models.TextChoices):
        READY = "ready", _("Ready")
        QUARANTINED = "quarantined", _("Quarantined")
        REMOVED = "removed", _("Removed by retention")

    model = models.ForeignKey(
        RegisteredModel, models.PROTECT, related_name="versions", verbose_name=_("model")
    )
    number = models.PositiveIntegerField(_("version"))
    run = models.OneToOneField(
        Run, models.PROTECT, null=True, blank=True, related_name="version", verbose_name=_("run")
    )
    evaluation_set = models.ForeignKey(
        EvaluationSet,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="versions",
        verbose_name=_("evaluation set"),
    )
    artifact_digests = models.JSONField(_("artifact digests"), default=dict)
    dataset_fingerprint = models.CharField(_("data-set fingerprint"), max_length=64)
    lineage = models.JSONField(_("lineage"), default=dict)
    signature = models.JSONField(_("signature"), default=dict)
    evaluation = models.JSONField(_("evaluation"), default=dict)
    settings = models.JSONField(_("serving settings"), default=dict)
    card = models.TextField(_("model card"), blank=True)
    is_synthetic = models.BooleanField(_("trained on synthetic data"), default=False)
    digest = models.CharField(_("manifest digest"), max_length=64)
    state = models.CharField(_("state"), max_length=12, choices=State.choices, default=State.READY)
    state_reason = models.CharField(_("reason of state"), max_length=300, blank=True)
    created_at = models.DateTimeField(_("created"), default=clock.now, editable=False)

    objects = ModelVersionQuerySet.as_manager()

    class Meta:
        verbose_name = _("model version")
        verbose_name_plural = _("model versions")
        ordering = ("-created_at",)
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["model", "number"], name="registry_version_number_once"
            ),
            models.CheckConstraint(condition=Q(number__gte=1), name="registry_version_number_low"),
            models.CheckConstraint(
                condition=Q(state__in=["ready", "quarantined", "removed"]),
                name="registry_version_state_known",
            ),
            models.CheckConstraint(
                condition=Q(digest__regex=HEX_DIGEST), name="registry_version_digest_whole"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model.name} v{self.number}"


class VersionArtifact(models.Model):
    """A named file of a version: serving form, training form, baseline, report."""

    version = models.ForeignKey(
        ModelVersion, models.CASCADE, related_name="version_artifacts", verbose_name=_("version")
    )
    name = models.CharField(_("name"), max_length=100)
    artifact = models.ForeignKey(
        Artifact, models.PROTECT, related_name="+", verbose_name=_("artifact")
    )

    class Meta:
        verbose_name = _("version artifact")
        verbose_name_plural = _("version artifacts")
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["version", "name"], name="registry_version_artifact_once"
            ),
        ]

    def __str__(self) -> str:
        return self.name
