"""How large corpora and indexes become: bytes of a passage, corrected by what was measured."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np

from search.lab.engine.matrix import Cell

#: Bytes of a passage in an index: for each number of its vector, and beside. Fitted to the indexes
#: of the first campaigns (docs/benchmarks); where an engine was not measured, from its format.
_INDEX: Mapping[str, tuple[float, float]] = {
    "duckdb-hnsw": (7.5, 230.0),
    "duckdb-exact": (4.5, 60.0),
    "faiss-flat": (4.0, 10.0),
    "faiss-sq8": (5.0, 10.0),
    "faiss-hnsw-sq8": (5.0, 280.0),
    "hnswlib": (4.0, 300.0),
    "usearch": (4.0, 300.0),
    "pgvector": (9.0, 400.0),
    "millwright": (5.0, 120.0),
}
#: Texts, tokens and the lexical leg of a passage.
_TEXT = 1_000.0
#: What a build writes beside its index before it is whole, as a share of it.
_WHILE_BUILDING = 0.25


def index_mb(cell: Cell, factors: Mapping[str, float]) -> float:
    """Return what an index needs while it is built."""
    return _thought_mb(cell) * factors.get(cell.engine, 1.0) * (1 + _WHILE_BUILDING)


def corpus_mb(scale: int, dimension: int) -> float:
    """Return what the texts and the vectors of a corpus need."""
    return scale * (dimension * 4 + _TEXT) / 1e6


def factors(measured: Iterable[tuple[Cell, float]]) -> dict[str, float]:
    """Return how many times as large as thought indexes were, by engine.

    Parameters
    ----------
    measured : iterable of (Cell, float)
        Cells and the size of their indexes in MB.
    """
    found: dict[str, list[float]] = defaultdict(list)
    for cell, size in measured:
        found[cell.engine].append(size / _thought_mb(cell))
    return {engine: float(np.median(ratios)) for engine, ratios in found.items()}


def _thought_mb(cell: Cell) -> float:
    of_number, beside = _INDEX[cell.engine]
    return cell.scale * (cell.dimension * of_number + beside) / 1e6
