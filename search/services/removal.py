"""Deleting a collection: what it held goes at once, the files of its indexes by retention."""

from dataclasses import dataclass

from django.db import transaction
from django.utils.translation import gettext as _

from portal.core import audit
from portal.core.actors import Actor
from portal.core.errors import Conflict
from portal.registry import services as registry
from portal.registry.models import ModelVersion, RegisteredModel
from portal.runs.models import Run, State
from search.models import Click, Collection, Document, JudgedQuery, RelevanceCheck, SearchRecord


@dataclass(frozen=True)
class Held:
    """What goes with a collection.

    Attributes
    ----------
    n_documents, n_judged, n_searches
        Rows that are removed at once.
    n_versions
        Index versions whose files are removed by retention.
    """

    n_documents: int
    n_judged: int
    n_searches: int
    n_versions: int


def held(collection: Collection) -> Held:
    """Count what goes with a collection."""
    versions = ModelVersion.objects.filter(model__name=collection.model_name)
    return Held(
        n_documents=collection.documents.present().count(),
        n_judged=collection.judged_queries.count(),
        n_searches=SearchRecord.objects.filter(collection=collection).count(),
        n_versions=versions.exclude(state=ModelVersion.State.REMOVED).count(),
    )


def delete(*, collection: Collection, actor: Actor, reason: str = "") -> Held:
    """Delete a collection with its documents, judgements, checks and log of queries.

    Its indexes are live no more, in no process half a second later. Their versions stay in the
    registry as history, without files once they are old enough. The name may be used again.

    Parameters
    ----------
    collection
        What goes.
    actor
        Who deletes it.
    reason
        Why, for the audit log.

    Raises
    ------
    Conflict
        While a build, an import, a check or a tuning of the collection waits or works.
    """
    with transaction.atomic():
        locked = Collection.objects.select_for_update().filter(pk=collection.pk).first()
        if locked is None:
            raise Conflict(
                _("“%(name)s” was deleted a moment ago.") % {"name": collection.name},
                code="collection_gone",
            )
        _check_idle(locked)
        gone = held(locked)
        said = reason.strip() or _("The collection “%(name)s” was deleted.") % {"name": locked.name}
        model = RegisteredModel.objects.filter(name=locked.model_name).first()
        if model is not None:
            registry.retire(model=model, reason=said, actor=actor)
        for rows in (Click, SearchRecord, RelevanceCheck, JudgedQuery, Document):
            # Nothing else refers to these rows: they may go without a look at each.
            rows.objects.filter(collection=locked)._raw_delete("default")
        locked.delete()
        audit.record(
            actor,
            "collection.delete",
            collection.name,
            reason=reason.strip(),
            detail={"n_documents": gone.n_documents, "n_versions": gone.n_versions},
        )
    return gone


def _check_idle(collection: Collection) -> None:
    """Refuse while runs are at work that would write into what is removed."""
    busy = Run.objects.filter(
        kind__startswith="search.",
        state__in=[State.QUEUED, State.RUNNING],
        parameters__collection=collection.name,
    ).first()
    if busy is not None:
        raise Conflict(
            _("“%(run)s” is under way on “%(name)s”: wait for it or cancel it, then delete.")
            % {"run": busy.title, "name": collection.name},
            code="collection_busy",
        )
