"""What a perfect search would return: exact inner products of every question with every passage."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from search.lab.engine import kept
from search.lab.engine.corpora import BATCH, Corpus, bucket_limit

#: Neighbours kept for each question: what the deepest reranking of a cell can ask for.
DEPTH = 100
_QUESTIONS_AT_ONCE = 64

Rows = NDArray[np.int64]


def exact(
    corpus: Corpus,
    folder: Path,
    share: float | None,
    *,
    check: Callable[[], None] = lambda: None,
) -> Rows:
    """Return the rows of the `DEPTH` nearest passages of each question, best first.

    The answer is kept in the folder under the digest of the corpus, since it costs one pass over
    all vectors.

    Parameters
    ----------
    share : float or None
        Of the passages that a filter lets through.

    Returns
    -------
    int64 [n_questions, DEPTH]
        -1 where a filter leaves fewer passages.
    """
    limit = None if share is None else bucket_limit(share)
    return kept.array(place(corpus, folder, share), lambda: _search(corpus, limit, check))


def place(corpus: Corpus, folder: Path, share: float | None) -> Path:
    """Return where the exact answers are kept."""
    limit = None if share is None else bucket_limit(share)
    return folder / f"truth-{corpus.digest[:16]}-{limit or 'all'}.npy"


def twins(corpus: Corpus, folder: Path, *, check: Callable[[], None] = lambda: None) -> Rows:
    """Return for each passage the first that has the very same vector, most often itself.

    Duplicates are equally near to any question: whichever of them comes back is right. Kept as the
    exact answers are.

    Returns
    -------
    int64 [n_passages]
    """
    return kept.array(twins_place(corpus, folder), lambda: _twins(corpus, check))


def twins_place(corpus: Corpus, folder: Path) -> Path:
    """Return where `twins` are kept."""
    return folder / f"twins-{corpus.digest[:16]}.npy"


def _twins(corpus: Corpus, check: Callable[[], None]) -> Rows:
    first: dict[bytes, int] = {}
    found = np.zeros(len(corpus.vectors), dtype=np.int64)
    for row, vector in enumerate(corpus.vectors):
        if row % BATCH == 0:
            check()
        digest = hashlib.blake2b(vector.tobytes(), digest_size=16).digest()
        found[row] = first.setdefault(digest, row)
    return found


def n_passing(corpus: Corpus, share: float) -> int:
    """Return how many passages a filter of some share lets through."""
    return int((corpus.buckets < bucket_limit(share)).sum())


def _search(corpus: Corpus, limit: int | None, check: Callable[[], None]) -> Rows:
    rows = np.arange(len(corpus.vectors))
    vectors = corpus.vectors
    if limit is not None:
        rows = np.flatnonzero(corpus.buckets < limit)
        vectors = np.ascontiguousarray(vectors[rows])
    depth = min(DEPTH, len(rows))
    found = np.full((len(corpus.queries), DEPTH), -1, dtype=np.int64)
    if not depth:
        return found
    for start in range(0, len(corpus.queries), _QUESTIONS_AT_ONCE):
        check()
        scores = corpus.queries[start : start + _QUESTIONS_AT_ONCE] @ vectors.T
        best = np.argpartition(-scores, depth - 1, axis=1)[:, :depth]
        order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
        found[start : start + len(scores), :depth] = rows[np.take_along_axis(best, order, axis=1)]
    return found
