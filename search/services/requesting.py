"""Asking for builds: at most one of a collection waits, and none without a reason."""

from django.db import transaction
from django.db.models import QuerySet, Sum
from django.utils.translation import gettext as _

from portal.core.actors import Actor
from portal.registry import selectors
from portal.registry.models import ModelVersion
from portal.runs import services as runs
from portal.runs.models import Queue, Run, State
from search.models import Collection

BUILD_INDEX = "search.build_index"
#: Ours: an index so small is built in seconds, so it need not wait behind a training.
SMALL_CHARS = 2_000_000
#: Fewer changes than these are no reason to rebuild, whatever their share.
LEAST_CHANGES = 100
#: As many are a reason whatever their share: every search compares them one by one. Ours.
MOST_CHANGES = 20_000


def overlap_key(collection: Collection) -> str:
    """Return the key under which builds of a collection never work at the same time."""
    return f"{BUILD_INDEX}:{collection.name}"


def request(
    *,
    collection: Collection,
    actor: Actor,
    reason: str = "",
    parent: Run | None = None,
) -> Run | None:
    """Start a build unless one waits already or there is nothing to index.

    Parameters
    ----------
    collection
        What to index.
    actor
        Who or what asks.
    reason
        Why, for the run's record.
    parent
        The run it belongs to.
    """
    with transaction.atomic():
        # Two that ask at once find each other here.
        Collection.objects.select_for_update(no_key=True).get(pk=collection.pk)
        if waiting(collection) is not None or not collection.documents.present().exists():
            return None
        return enqueue(collection=collection, actor=actor, reason=reason, parent=parent)


def enqueue(
    *, collection: Collection, actor: Actor, reason: str = "", parent: Run | None = None
) -> Run:
    """Start a build whatever else waits."""
    return runs.enqueue(
        kind=BUILD_INDEX,
        actor=actor,
        parameters={"collection": collection.name, "reason": reason[:300]},
        title=_("Build the index of “%(name)s”") % {"name": collection.name},
        parent=parent,
        overlap_key=overlap_key(collection),
        queue=_queue(collection),
    )


def waiting(collection: Collection) -> Run | None:
    """Return a build of a collection that has not begun."""
    return _builds(collection).filter(state=State.QUEUED).first()


def under_way(collection: Collection) -> Run | None:
    """Return a build of a collection that waits or works."""
    return _builds(collection).filter(state__in=[State.QUEUED, State.RUNNING]).first()


def if_needed(*, collection: Collection, actor: Actor, parent: Run | None = None) -> Run | None:
    """Start a build where there is no index, or where too much changed since the live one."""
    reason = reason_to_build(collection)
    if not reason or under_way(collection) is not None:
        return None
    return request(collection=collection, actor=actor, reason=reason, parent=parent)


def reason_to_build(collection: Collection) -> str:
    """Return why a collection should be indexed anew, or nothing."""
    n_documents = collection.documents.present().count()
    if not n_documents:
        return ""
    newest = (
        ModelVersion.objects.filter(model__name=collection.model_name).order_by("-number").first()
    )
    if newest is None:
        return _("There is no index yet.")
    if newest.settings["through"] >= collection.sequence:
        return ""  # what is not live although it is new waits for somebody
    champion = selectors.champion(collection.model_name) or newest
    n_changed = collection.documents.since(champion.settings["through"]).count()
    enough = min(collection.rebuild_share * n_documents, MOST_CHANGES)
    if n_changed < max(LEAST_CHANGES, enough):
        return ""
    return _("%(changed)d of %(all)d documents changed since the live index was built.") % {
        "changed": n_changed,
        "all": n_documents,
    }


def is_changed(collection: Collection) -> bool:
    """Whether any document changed since the live index was built, or there is none."""
    champion = selectors.champion(collection.model_name)
    through = int(champion.settings["through"]) if champion is not None else 0
    return collection.documents.since(through).exists()


def _builds(collection: Collection) -> QuerySet[Run]:
    return Run.objects.filter(kind=BUILD_INDEX, parameters__collection=collection.name)


def _queue(collection: Collection) -> str:
    n_chars = collection.documents.present().aggregate(n=Sum("n_chars"))["n"] or 0
    return Queue.INTERACTIVE if n_chars <= SMALL_CHARS else Queue.TRAIN
