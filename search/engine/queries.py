"""What was asked before an index was built, as vectors: the baseline of a watch on its queries.

The vectors are those of the index's own embedder, so they mean something beside this index only.
Of the texts nothing is kept.
"""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from search.engine.embedders.contract import Embedder, Vectors, normalized

NAME = "queries.npy"
#: The latest queries that are kept; ours: twenty windows of two hundred.
MOST = 4_000
#: As many of them where every vector is asked of another machine or a large model.
MOST_COSTLY = 1_000


def write(folder: Path, embedder: Embedder, queries: Sequence[str]) -> int:
    """Write the vectors of some queries, in their order, beside an index.

    Parameters
    ----------
    folder : Path
        Of the index.
    embedder : Embedder
        That of the index.
    queries : sequence of str
        Oldest first; without any nothing is written.

    Returns
    -------
    int
        How many were written.

    Raises
    ------
    EmbedderProblem
        If the embedder cannot be asked.
    """
    if not queries:
        return 0
    vectors = normalized(embedder.encode(list(queries)))
    np.save(folder / NAME, vectors.astype(np.float16), allow_pickle=False)
    return len(vectors)


def read(content: bytes) -> Vectors:
    """Return the vectors of a file of `write`, float32 [n, dimensions]."""
    stored = np.load(io.BytesIO(content), allow_pickle=False)
    return np.asarray(stored, dtype=np.float32)


def rounded(vectors: Vectors) -> Vectors:
    """Return vectors as precise as they are kept."""
    return vectors.astype(np.float16).astype(np.float32)
