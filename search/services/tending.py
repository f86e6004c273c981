"""What is done for all collections every few minutes: rebuilds, and garbage."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from portal.core.actors import Actor
from portal.core.retention import remove_before
from portal.lib import clock
from portal.registry import services as registry
from portal.registry.models import PORTAL_NAME, AliasAssignment, ModelVersion
from portal.runs.context import RunContext
from search.models import Click, Collection, Document, SearchRecord
from search.services import batches, folders, requesting, uploads
from search.services.family import FAMILY_NAME

BATCH = 5_000
ACTOR = Actor.system(PORTAL_NAME)


def tend(ctx: RunContext) -> dict[str, Any]:
    """Start the rebuilds that are due and remove what nothing needs any more."""
    collections = list(Collection.objects.all())
    n_started = 0
    for place, collection in enumerate(collections):
        ctx.progress(place / len(collections), _("rebuild"), collection.name)
        run = requesting.if_needed(collection=collection, actor=ACTOR)
        n_started += run is not None
    removed = registry.remove_old_versions(
        family=FAMILY_NAME, older_than=timedelta(days=settings.INDEX_RETENTION_DAYS)
    )
    return {
        "n_builds_started": n_started,
        "n_versions_removed": removed.n_versions,
        "freed_bytes": removed.freed_bytes,
        "n_folders_removed": folders.remove_unused(_served()),
        "n_tombstones_removed": sum(_bury(one, ctx) for one in collections),
        "n_records_removed": _forget_queries(ctx),
        "n_batch_files_removed": batches.tidy(ctx),
        "n_uploads_removed": uploads.tidy(ctx),
    }


def rebuild(ctx: RunContext) -> dict[str, Any]:
    """Start a full build of every collection that changed at all since its live index was built.

    Changes live in the memory of every process that searches until they are built in; what is
    rebuilt by its share of changes leaves a rest that nothing else would take up.
    """
    collections = list(Collection.objects.all())
    started: list[str] = []
    for place, collection in enumerate(collections):
        ctx.progress(place / len(collections), _("rebuild"), collection.name)
        ctx.check()
        if not requesting.is_changed(collection) or requesting.under_way(collection) is not None:
            continue
        run = requesting.request(collection=collection, actor=ACTOR, reason=_("By the schedule."))
        if run is not None:
            started.append(collection.name)
    return {"n_collections": len(collections), "n_builds_started": len(started), "built": started}


def _served() -> set[Any]:
    """Return the folders that processes of this machine may search in."""
    assigned = AliasAssignment.objects.filter(model__family=FAMILY_NAME)
    return {folders.of(one.version) for one in assigned.select_related("version__model")}


def _bury(collection: Collection, ctx: RunContext) -> int:
    """Remove rows of deleted documents that no index, not even an old one, still holds."""
    kept = ModelVersion.objects.filter(model__name=collection.model_name).exclude(
        state=ModelVersion.State.REMOVED
    )
    oldest = min((int(one.settings["through"]) for one in kept), default=None)
    if oldest is None:
        return 0
    gone = Document.objects.filter(collection=collection, is_deleted=True, sequence__lte=oldest)
    with ctx.fenced():
        return gone.delete()[0]


def _forget_queries(ctx: RunContext) -> int:
    """Remove records of queries past their term, in batches that hold no lock for long."""
    before = clock.now() - timedelta(days=settings.QUERY_RETENTION_DAYS)
    old = SearchRecord.objects.filter(at__lt=before).order_by("at")
    n_removed = 0
    while batch := list(old.values_list("pk", flat=True)[:BATCH]):
        ctx.check()
        n_removed += SearchRecord.objects.filter(pk__in=batch).delete()[0]
    ctx.check()
    # What was opened of a search that never reached the log goes with no record.
    return n_removed + remove_before(Click, before)
