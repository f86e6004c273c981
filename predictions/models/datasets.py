"""Imported tables."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from portal.lib import clock
from portal.runs.models import Artifact


class Dataset(models.Model):
    """A user's table as imported: canonical Parquet, fingerprint, schema and quality profile."""

    class Kind(models.TextChoices):
        QUALITY = "diecasting-quality", _("Die-casting quality")
        ROUTING = "routing", _("Items and routings")

    name = models.CharField(_("name"), max_length=200)
    kind = models.CharField(_("kind"), max_length=40, choices=Kind.choices)
    artifact = models.ForeignKey(
        Artifact, models.PROTECT, related_name="+", verbose_name=_("artifact")
    )
    fingerprint = models.CharField(_("fingerprint"), max_length=64, db_index=True)
    source_name = models.CharField(_("file"), max_length=300, blank=True)
    source_sha256 = models.CharField(_("SHA-256 of the file"), max_length=64, blank=True)
    n_rows = models.PositiveIntegerField(_("rows"))
    schema = models.JSONField(_("schema"), default=list)
    profile = models.JSONField(_("quality profile"), default=dict)
    is_synthetic = models.BooleanField(_("synthetic"), default=False)
    lineage = models.JSONField(_("made from"), default=dict, blank=True)
    copy_of = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="copies",
        verbose_name=_("same content as"),
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("imported by"),
    )
    created_at = models.DateTimeField(_("imported"), default=clock.now, editable=False)

    class Meta:
        verbose_name = _("data set")
        verbose_name_plural = _("data sets")
        ordering = ("-created_at",)
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "fingerprint"],
                condition=Q(copy_of__isnull=True),
                name="predictions_dataset_content_once",
            ),
        ]
        permissions = [
            ("import_dataset", _("Can import data sets")),
            ("train_model", _("Can start trainings")),
        ]

    def __str__(self) -> str:
        return self.name
