"""Files as they were sent: kept until they are read, and with the documents made of them."""

from datetime import timedelta

from django.db.models import Exists, OuterRef

from portal.lib import clock
from portal.runs import artifacts
from portal.runs.context import RunContext
from portal.runs.models import TERMINAL_STATES, Artifact, RunArtifact
from search.models import Document

IMPORT_DOCUMENTS = "search.import_documents"
INPUT = "input"
#: What tells the files of this module from all other artifacts.
FILE = "application/vnd.millwright.document"
ARCHIVE = "application/vnd.millwright.documents+zip"
#: A failed import can be repeated so long; ours.
KEPT = timedelta(days=7)
#: Younger files may belong to an import that is being asked for at this moment.
FRESH = timedelta(days=1)
BATCH = 500


def keep(content: artifacts.Content, media_type: str = FILE) -> Artifact:
    """Keep a file that was sent, or an archive of several, until it is imported.

    Call it in the transaction that asks for the import: a process that dies between the two then
    leaves a file that nothing knows, which the storage removes by itself.

    Raises
    ------
    OutOfSpace
        When the storage is full.
    """
    return artifacts.save(content, media_type)


def tidy(ctx: RunContext) -> int:
    """Remove files that were imported long ago and that no document came from; return how many."""
    moment = clock.now()
    RunArtifact.objects.filter(
        name=INPUT,
        run__kind=IMPORT_DOCUMENTS,
        run__state__in=TERMINAL_STATES,
        run__finished_at__lt=moment - KEPT,
    ).delete()
    orphans = (
        Artifact.objects.filter(media_type__in=(FILE, ARCHIVE), created_at__lt=moment - FRESH)
        .exclude(Exists(RunArtifact.objects.filter(artifact=OuterRef("pk"))))
        .exclude(Exists(Document.objects.filter(source=OuterRef("pk"))))
        .order_by("created_at")
    )
    n_removed = 0
    for sha256 in list(orphans.values_list("pk", flat=True)[:BATCH]):
        ctx.check()
        n_removed += artifacts.remove_unreferenced(sha256)
    return n_removed
