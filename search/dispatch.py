"""Start the runs of this app."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from portal.core.actors import Actor
from portal.core.errors import Conflict
from portal.runs import services as runs
from portal.runs.artifacts import Content
from portal.runs.models import Run, RunArtifact
from search import tasks
from search.models import Collection
from search.services import batches, importing, requesting, uploads
from search.services.batches import Priority
from search.services.serving import Query

build_if_needed = requesting.if_needed


def build_index(*, collection: Collection, actor: Actor, reason: str = "") -> Run:
    """Start a build, or return the one that waits.

    Raises
    ------
    Conflict
        If the collection holds no document.
    """
    made = requesting.request(collection=collection, actor=actor, reason=reason)
    found = made or requesting.waiting(collection)
    if found is None:
        raise Conflict(
            _("“%(name)s” holds no document: add documents first, then build its index.")
            % {"name": collection.name},
            code="no_documents",
        )
    return found


def import_file(
    *,
    collection: Collection,
    content: Content,
    name: str,
    actor: Actor,
    external_id: str = "",
    title: str = "",
    taxonomy: str = "",
    content_type: str = "",
    metadata: Mapping[str, Any] | None = None,
    duplicates: str = "skip",
) -> Run:
    """Start the import of one file.

    Parameters
    ----------
    collection
        Where it goes.
    content
        Of the file.
    name
        File name; its ending tells the kind.
    actor
        Who asks.
    external_id, title, taxonomy, content_type, metadata
        In place of what the file says of itself.
    duplicates
        ``skip`` or ``keep`` a file whose text is kept already under another identifier.
    """
    given = {
        "is_archive": False,
        "external_id": external_id,
        "title": title,
        "taxonomy": taxonomy,
        "content_type": content_type,
        "metadata": dict(metadata or {}),
    }
    return _import(collection, content, uploads.FILE, name, actor, duplicates, given)


def import_folder(
    *,
    collection: Collection,
    folder: Path,
    actor: Actor,
    duplicates: str = "skip",
    pattern: str = "*",
) -> Run:
    """Start the import of all files of a folder of this machine, subfolders included.

    Raises
    ------
    InvalidInput
        When there is no file in it.
    """
    with importing.packed(folder, pattern) as (file, n_files):
        given = {"is_archive": True, "n_files": n_files}
        name = folder.resolve().name
        return _import(collection, file, uploads.ARCHIVE, name, actor, duplicates, given)


def _import(
    collection: Collection,
    content: Content,
    media_type: str,
    name: str,
    actor: Actor,
    duplicates: str,
    given: dict[str, Any],
) -> Run:
    with transaction.atomic():  # what was sent is never kept without the run that reads it
        artifact = uploads.keep(content, media_type)
        run = runs.enqueue(
            kind=tasks.IMPORT_DOCUMENTS,
            actor=actor,
            parameters={
                "collection": collection.name,
                "artifact": artifact.pk,
                "name": name,
                "duplicates": duplicates,
                **given,
            },
            title=_("Import “%(name)s” into “%(collection)s”")
            % {"name": name[:100], "collection": collection.name},
        )
        RunArtifact.objects.create(run=run, artifact=artifact, name=uploads.INPUT)
    return run


def search_batch(
    *, queries: Sequence[tuple[str | None, Query]], priority: Priority, actor: Actor
) -> Run:
    """Start a batch of searches.

    Parameters
    ----------
    queries
        Each with the name its caller gave it.
    priority
        Which of several waiting batches goes first.
    actor
        Who asks.
    """
    artifact = batches.keep(queries)
    with transaction.atomic():
        run = runs.enqueue(
            kind=tasks.BATCH,
            actor=actor,
            parameters={
                "artifact": artifact.pk,
                "n_queries": len(queries),
                "priority": priority.value,
            },
            title=_("Search %(count)d queries") % {"count": len(queries)},
            priority=priority.message,
        )
        RunArtifact.objects.create(run=run, artifact=artifact, name=batches.INPUT)
    return run


def evaluate(*, collection: Collection, actor: Actor) -> Run:
    """Start a relevance check of the live index."""
    return runs.enqueue(
        kind=tasks.EVALUATE,
        actor=actor,
        parameters={"collection": collection.name},
        title=_("Check relevance of “%(name)s”") % {"name": collection.name},
        overlap_key=f"{tasks.EVALUATE}:{collection.name}",
    )


def tune(*, collection: Collection, actor: Actor, adopt: bool = False) -> Run:
    """Start the search for the best way to join the two legs.

    Parameters
    ----------
    collection
        With judged queries.
    actor
        Who asks.
    adopt
        Whether what proves better becomes the collection's own search options.
    """
    return runs.enqueue(
        kind=tasks.TUNE,
        actor=actor,
        parameters={"collection": collection.name, "adopt": adopt},
        title=_("Tune search weights of “%(name)s”") % {"name": collection.name},
        overlap_key=f"{tasks.TUNE}:{collection.name}",
    )
