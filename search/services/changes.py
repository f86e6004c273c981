"""What changed since an index was built, put into it while it is searched."""

import logging

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
    try:
        _apply(held, rows)
    except BuildProblem:
        for row in rows:
            _apply_alone(held, row)
    held.sequence = rows[-1].sequence
    return len(rows)


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
