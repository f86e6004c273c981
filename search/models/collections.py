"""Sets of documents that are searched together."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from portal.lib import clock

PREFIX = "search-"
#: Before the generation; no name of a collection has two hyphens side by side.
AGAIN = "--"


def model_name(name: str, generation: int) -> str:
    """Return what the registry calls the indexes of a collection."""
    return f"{PREFIX}{name}" if generation == 1 else f"{PREFIX}{name}{AGAIN}{generation}"


def name_of(model_name: str) -> str:
    """Return the collection whose indexes the registry calls so."""
    return model_name.removeprefix(PREFIX).partition(AGAIN)[0]


class Collection(models.Model):
    """Documents that are searched together, and how their index is built.

    `sequence` counts the changes of its documents: each document carries the number of its last
    change, so that whoever knows a number can ask for everything since. It only moves under the
    lock of this row, so numbers become visible in their order.
    """

    name = models.SlugField(_("name"), max_length=60, unique=True)
    title = models.CharField(_("title"), max_length=200)
    description = models.TextField(_("description"), blank=True)
    options = models.JSONField(_("build options"), default=dict, blank=True)
    search_defaults = models.JSONField(_("search options"), default=dict, blank=True)
    rebuild_share = models.FloatField(
        _("share of changes that starts a rebuild"),
        default=0.1,
        help_text=_("Of the documents that changed since the build, from 0.01 to 1."),
    )
    sequence = models.BigIntegerField(_("last change"), default=0, editable=False)
    generation = models.PositiveIntegerField(
        _("generation"),
        default=1,
        editable=False,
        help_text=_("How many collections of this name there were, this one included."),
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("created by"),
    )
    created_at = models.DateTimeField(_("created"), default=clock.now, editable=False)

    class Meta:
        verbose_name = _("collection")
        verbose_name_plural = _("collections")
        ordering = ("name",)
        permissions = [
            ("import_document", _("Can import files of documents")),
            ("build_index", _("Can build the index of a collection")),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(rebuild_share__gte=0.01) & Q(rebuild_share__lte=1),
                name="search_collection_rebuild_share",
            ),
            models.CheckConstraint(
                condition=Q(sequence__gte=0), name="search_collection_sequence_low"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def model_name(self) -> str:
        """The registered model whose versions are the indexes of this collection.

        A name of a deleted collection may be used again, the model of its indexes may not.
        """
        return model_name(self.name, self.generation)
