"""What changed since an index was built, put into it while it is searched."""

import logging
from collections.abc import Collection

from search.engine.passages import Passage
from search.engine.problems import BuildProblem
from search.models import Document
from search.services.contents import passages_of
from search.services.holding import Held

logger = logging.getLogger(__name__)


def apply_next(held: Held, until: int, limit: int) -> int:
    """Apply the next changed documents and return how many; moves the index's sequence on.

    Parameters
    ----------
    held
        The index.
    until
        The last change to apply.
    limit
        Documents read at once.
    """
    rows = list(
        Document.objects.since(held.sequence).filter(
            collection__name=held.collection, sequence__lte=until
        )[:limit]
    )
    if not rows:  # the changes between were superseded by later ones
        held.sequence = until
        return 0
    _apply_each(held, rows)
    held.sequence = rows[-1].sequence
    return len(rows)


def apply_later(held: Held, documents: Collection[str], limit: int) -> None:
    """Apply what became of some documents after an index's last change.

    A document that another index knows may have changed again. Its row then tells of the later
    change only, so an index that takes the other one's place would miss the document without it.

    Parameters
    ----------
    held
        The index; its sequence stays, so these changes are applied once more in their turn.
    documents
        Their identifiers.
    limit
        Documents read at once.
    """
    later = Document.objects.since(held.sequence).filter(collection__name=held.collection)
    wanted = sorted(documents)
    for start in range(0, len(wanted), limit):
        _apply_each(held, list(later.filter(external_id__in=wanted[start : start + limit])))


def _apply_each(held: Held, rows: list[Document]) -> None:
    """Apply documents together, or one by one when one of them cannot be indexed."""
    try:
        _apply(held, rows)
    except BuildProblem:
        for row in rows:
            _apply_alone(held, row)


def _apply(held: Held, rows: list[Document]) -> None:
    upserts: list[Passage] = []
    deletions = [row.external_id for row in rows]
    for row in rows:
        if not row.is_deleted:
            upserts += passages_of(row, held.cutting)
    held.index.apply(upserts, deletions)


def _apply_alone(held: Held, row: Document) -> None:
    """Apply one document; one that cannot be indexed is left out, and the others are not."""
    try:
        _apply(held, [row])
    except BuildProblem as exc:
        logger.warning("document %s of %s not indexed: %s", row.pk, held.collection, exc)
