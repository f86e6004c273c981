"""What was asked, what was answered and what was opened of it."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from portal.lib import clock
from search.models.collections import Collection


class SearchRecord(models.Model):
    """One answered query. The identifier is a version 7 UUID, so rows arrive in index order."""

    id = models.UUIDField(primary_key=True, editable=False)
    collection = models.ForeignKey(
        Collection,
        models.CASCADE,
        related_name="searches",
        verbose_name=_("collection"),
        db_constraint=False,
    )
    at = models.DateTimeField(_("time"), default=clock.now)
    query = models.CharField(_("query"), max_length=1000)
    mode = models.CharField(_("mode"), max_length=10)
    top_k = models.PositiveSmallIntegerField(_("hits asked for"))
    filters = models.JSONField(_("filters"), default=dict, blank=True)
    taxonomy = models.CharField(_("taxonomy"), max_length=500, blank=True)
    version = models.PositiveIntegerField(_("index version"))
    n_hits = models.PositiveSmallIntegerField(_("hits"))
    took_ms = models.FloatField(_("time in ms"))
    cache = models.CharField(_("cache"), max_length=4, blank=True)
    degraded = models.JSONField(_("missing legs"), default=list, blank=True)
    document_ids = models.JSONField(_("first documents"), default=list, blank=True)
    principal = models.CharField(_("asked by"), max_length=80, blank=True)
    request_id = models.CharField(_("request"), max_length=64, blank=True)

    class Meta:
        verbose_name = _("query")
        verbose_name_plural = _("queries")
        ordering = ("-at", "-id")
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["collection", "-at", "-id"], name="search_record_latest"),
            models.Index(fields=["at"], name="search_record_at"),
        ]

    def __str__(self) -> str:
        return self.query[:80]


class Click(models.Model):
    """A hit that somebody opened."""

    search = models.ForeignKey(
        SearchRecord,
        models.CASCADE,
        related_name="clicks",
        verbose_name=_("query"),
        db_constraint=False,  # the record may still wait to be written
    )
    collection = models.ForeignKey(
        Collection, models.CASCADE, related_name="clicks", verbose_name=_("collection")
    )
    external_id = models.CharField(_("document"), max_length=500)
    passage_id = models.CharField(_("passage"), max_length=64, blank=True)
    rank = models.PositiveSmallIntegerField(_("rank"))
    at = models.DateTimeField(_("time"), default=clock.now)
    principal = models.CharField(_("opened by"), max_length=80, blank=True)

    class Meta:
        verbose_name = _("opened hit")
        verbose_name_plural = _("opened hits")
        ordering = ("-at", "-id")
        default_permissions = ("view",)
        indexes = [models.Index(fields=["collection", "-at"], name="search_click_latest")]
        constraints = [
            models.UniqueConstraint(
                fields=["search", "external_id", "passage_id"], name="search_click_once"
            ),
            models.CheckConstraint(condition=Q(rank__gte=1), name="search_click_rank"),
        ]

    def __str__(self) -> str:
        return f"{self.rank}: {self.external_id}"
