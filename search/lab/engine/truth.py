"""What a perfect search would return: exact inner products of every question with every passage."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from search.lab.engine import kept
from search.lab.engine.corpora import Corpus, bucket_limit

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
    path = folder / f"truth-{corpus.digest[:16]}-{limit or 'all'}.npy"
    return kept.array(path, lambda: _search(corpus, limit, check))


def _search(corpus: Corpus, limit: int | None, check: Callable[[], None]) -> Rows:
    rows = np.arange(len(corpus.vectors))
    vectors = corpus.vectors
    if limit is not None:
        rows = np.flatnonzero(corpus.buckets < limit)
        vectors = np.ascontiguousarray(vectors[rows])
    depth = min(DEPTH, len(rows))
    found = np.full((len(corpus.queries), DEPTH), -1, dtype=np.int64)
    for start in range(0, len(corpus.queries), _QUESTIONS_AT_ONCE):
        check()
        scores = corpus.queries[start : start + _QUESTIONS_AT_ONCE] @ vectors.T
        best = np.argpartition(-scores, depth - 1, axis=1)[:, :depth]
        order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
        found[start : start + len(scores), :depth] = rows[np.take_along_axis(best, order, axis=1)]
    return found
