"""What people hold to be the right answers, and how well the indexes found them."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from portal.lib import clock
from portal.registry.models import ModelVersion
from portal.runs.models import Run
from search.models.collections import Collection

#: 1 touches the question, 2 helps much, 3 answers it.
GAINS = (1, 2, 3)


class JudgedQuery(models.Model):
    """A query and the documents that answer it, as people judged them."""

    collection = models.ForeignKey(
        Collection, models.CASCADE, related_name="judged_queries", verbose_name=_("collection")
    )
    query = models.CharField(_("query"), max_length=1000)
    gains = models.JSONField(
        _("documents and gains"),
        default=dict,
        help_text=_("1 touches the question, 2 helps much, 3 answers it."),
    )
    note = models.CharField(_("note"), max_length=500, blank=True)
    created_at = models.DateTimeField(_("created"), default=clock.now, editable=False)
    updated_at = models.DateTimeField(_("changed"), default=clock.now, editable=False)
    updated_by = models.CharField(_("changed by"), max_length=150, blank=True, editable=False)

    class Meta:
        verbose_name = _("judged query")
        verbose_name_plural = _("judged queries")
        ordering = ("collection", "query")
        constraints = [
            models.UniqueConstraint(fields=["collection", "query"], name="search_judged_once"),
            models.CheckConstraint(condition=~Q(query=""), name="search_judged_has_query"),
        ]

    def __str__(self) -> str:
        return self.query[:80]


class RelevanceCheck(models.Model):
    """How well one index version answered the judged queries of one moment."""

    collection = models.ForeignKey(
        Collection, models.CASCADE, related_name="relevance_checks", verbose_name=_("collection")
    )
    version = models.ForeignKey(
        ModelVersion, models.PROTECT, related_name="+", verbose_name=_("index version")
    )
    run = models.ForeignKey(
        Run, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("run")
    )
    at = models.DateTimeField(_("time"), default=clock.now)
    n_judged = models.PositiveIntegerField(_("judged queries"))
    judged_digest = models.CharField(_("digest of the judgements"), max_length=64)
    ndcg_at_10 = models.FloatField(_("nDCG@10"))
    recall_at_100 = models.FloatField(_("recall@100"))
    mrr = models.FloatField(_("mean reciprocal rank"))

    class Meta:
        verbose_name = _("relevance check")
        verbose_name_plural = _("relevance checks")
        ordering = ("-at", "-id")
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["version", "judged_digest"], name="search_relevance_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version} {self.ndcg_at_10:.3f}"
