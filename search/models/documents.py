"""Documents as they were handed in; passages are cut from them when an index is built."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from portal.lib import clock
from portal.runs.models import Artifact
from search.models.collections import Collection


class DocumentQuerySet(models.QuerySet["Document"]):
    def present(self) -> "DocumentQuerySet":
        """Select what is not deleted."""
        return self.filter(is_deleted=False)

    def listed(self) -> "DocumentQuerySet":
        """Select what is not deleted, without the text, which may be megabytes a row."""
        return self.present().defer("blocks")

    def since(self, sequence: int) -> "DocumentQuerySet":
        """Select what changed after a change, deletions included, in order."""
        return self.filter(sequence__gt=sequence).order_by("sequence")


class Document(models.Model):
    """One document under the identifier of whoever sent it.

    A deleted one keeps its row, without text, until no index that could still be searched holds it.
    """

    collection = models.ForeignKey(
        Collection, models.CASCADE, related_name="documents", verbose_name=_("collection")
    )
    external_id = models.CharField(_("identifier"), max_length=500)
    title = models.CharField(_("title"), max_length=500, blank=True)
    taxonomy = models.CharField(_("taxonomy"), max_length=500, blank=True)
    content_type = models.CharField(_("kind"), max_length=100, blank=True)
    date = models.DateField(_("date"), null=True, blank=True)
    metadata = models.JSONField(_("metadata"), default=dict, blank=True)
    blocks = models.JSONField(_("text"), default=list, editable=False)
    notes = models.JSONField(_("what could not be read"), default=list, editable=False)
    n_chars = models.PositiveIntegerField(_("characters"), default=0, editable=False)
    content_hash = models.CharField(_("hash of the text"), max_length=64, editable=False)
    digest = models.CharField(_("hash of everything"), max_length=64, editable=False)
    source_name = models.CharField(_("file"), max_length=500, blank=True)
    source = models.ForeignKey(
        Artifact,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("file as it was sent"),
    )
    sequence = models.BigIntegerField(_("change"), editable=False)
    is_deleted = models.BooleanField(_("deleted"), default=False, editable=False)
    created_at = models.DateTimeField(_("created"), default=clock.now, editable=False)
    updated_at = models.DateTimeField(_("changed"), default=clock.now, editable=False)
    updated_by = models.CharField(_("changed by"), max_length=150, blank=True, editable=False)

    objects = DocumentQuerySet.as_manager()

    class Meta:
        verbose_name = _("document")
        verbose_name_plural = _("documents")
        ordering = ("collection", "external_id")
        indexes = [
            models.Index(fields=["collection", "sequence"], name="search_document_changes"),
            models.Index(fields=["collection", "content_hash"], name="search_document_content"),
            models.Index(
                fields=["collection", "taxonomy"],
                name="search_document_taxonomy",
                condition=Q(is_deleted=False),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["collection", "external_id"], name="search_document_once"
            ),
            models.CheckConstraint(
                condition=~Q(external_id=""), name="search_document_has_identifier"
            ),
            models.CheckConstraint(condition=Q(sequence__gte=1), name="search_document_sequence"),
        ]

    def __str__(self) -> str:
        return self.title or self.external_id
