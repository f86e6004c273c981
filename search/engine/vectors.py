"""The vector leg: quantised search and a rerank with the float vectors, all read by mmap.

Below ``exact_below`` vectors a scan of one-byte codes is searched, above a graph (HNSW, Malkov and
Yashunin, 2018) over codes of four bits a dimension. Either gives candidates, which the float
vectors rank. Four bits lose nothing that the ranking does not bring back, halve the memory and are
faster to compare: with 100,000 vectors of 256 dimensions codes and graph take 27 MB, the floats
102 MB.

A filter is planned by its selectivity, since a graph search that throws results away returns too
few: few rows are compared exactly, up to half of them are scanned by codes, above that the graph is
searched with the selection. What the graph then still lacks, a scan fills.
"""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import faiss
import numpy as np
from numpy.typing import NDArray

from search.engine.embedders.contract import Vectors
from search.engine.files import mapped
from search.engine.problems import IndexDamaged, unopened
from search.engine.selection import Selection

FLOATS = "vectors.npy"
EXACT = "exact"
HNSW = "hnsw"
#: Ways of a search: the floats of the rows that a filter selects, a scan of codes, the graph.
ROWS, CODES, GRAPH = "rows", "codes", "graph"
#: Selections of at most so many rows are compared with their float vectors at once: faster than a
#: scan up to here, as the benchmark of filters shows.
MAX_EXACT_ROWS = 5_000
#: Candidates that codes give to the float ranking, at least.
MIN_RERANKED = 100
#: Up to this selectivity codes are scanned, above it the graph is searched.
SCAN_SHARE = 0.5

Found = tuple[NDArray[np.int64], NDArray[np.float32]]


def shard_name(number: int) -> str:
    """Return the file of a shard."""
    return f"vectors-{number:03d}.faiss"


def build_shard(
    vectors: Vectors,
    training: Vectors,
    *,
    kind: str,
    code_bits: int,
    m: int,
    ef_construction: int,
    batch: int,
) -> Iterator[tuple[int, Any]]:
    """Build the index of one shard, yielding the rows done and the index after each batch.

    Runs in one thread: with more, the graph would depend on their race.
    """
    faiss.omp_set_num_threads(1)
    dimensions, metric = vectors.shape[1], faiss.METRIC_INNER_PRODUCT
    if kind == HNSW:
        code = faiss.ScalarQuantizer.QT_4bit if code_bits == 4 else faiss.ScalarQuantizer.QT_8bit
        index: Any = faiss.IndexHNSWSQ(dimensions, code, m, metric)
        index.hnsw.efConstruction = ef_construction
    else:
        index = faiss.IndexScalarQuantizer(dimensions, faiss.ScalarQuantizer.QT_8bit, metric)
    index.train(np.ascontiguousarray(training))
    for start in range(0, len(vectors), batch):
        part = np.ascontiguousarray(vectors[start : start + batch])
        index.add(part)
        yield start + len(part), index


class VectorIndex:
    """The vectors of an index opened for searching; safe for threads."""

    def __init__(
        self, floats: Vectors, shards: list[Any], sizes: list[int], kind: str, ef_search: int
    ) -> None:
        self.floats = floats
        self._shards = shards
        self._starts = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
        self.kind = kind
        self.ef_search = ef_search

    @classmethod
    def open(cls, folder: Path, sizes: list[int], kind: str, ef_search: int) -> Self:
        """Map the files of a folder.

        Raises
        ------
        IndexDamaged
            If faiss cannot read them.
        """
        floats = mapped(folder / FLOATS)
        shards = []
        for number in range(len(sizes)):
            try:
                shard = faiss.read_index(str(folder / shard_name(number)), faiss.IO_FLAG_MMAP_IFC)
            except RuntimeError as exc:
                damage = IndexDamaged("file_changed", value=shard_name(number))
                raise unopened(exc, damage) from exc
            shards.append(shard)
        return cls(floats, shards, sizes, kind, ef_search)

    def __len__(self) -> int:
        return len(self.floats)

    @property
    def dimensions(self) -> int:
        return int(self.floats.shape[1])

    def scores(self, query: Vectors, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the exact inner products of a query with some rows."""
        products: NDArray[np.float32] = self.floats[rows] @ query
        return products

    def search(self, query: Vectors, limit: int, selection: Selection | None = None) -> Found:
        """Return the nearest rows, best first, with exact inner products.

        Parameters
        ----------
        query : float32 [dimensions]
        limit : int
            As many rows are returned, or as many as the selection has.
        selection : Selection or None
            Rows that may be returned.
        """
        allowed = len(self) if selection is None else selection.count
        limit = min(limit, allowed)
        if not limit:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        way = self.way(limit, selection)
        if selection is not None and way == ROWS:
            rows = selection.rows
        else:
            is_scan = way == CODES
            rows = self._candidates(query, max(limit, MIN_RERANKED), selection, is_scan=is_scan)
        scores = self.scores(query, rows)
        best = np.argsort(-scores, kind="stable")[:limit]
        return rows[best], scores[best]

    def way(self, limit: int, selection: Selection | None = None) -> str:
        """Return which way a search takes: `ROWS`, `CODES` or `GRAPH`."""
        if selection is not None and selection.count <= max(MAX_EXACT_ROWS, limit):
            return ROWS
        is_narrow = selection is not None and selection.share <= SCAN_SHARE
        return CODES if self.kind == EXACT or is_narrow else GRAPH

    def _candidates(
        self, query: Vectors, limit: int, selection: Selection | None, *, is_scan: bool
    ) -> NDArray[np.int64]:
        found = [
            self._shard_candidates(number, query, limit, selection, is_scan=is_scan)
            for number in range(len(self._shards))
        ]
        return np.concatenate(found)

    def _shard_candidates(
        self, number: int, query: Vectors, limit: int, selection: Selection | None, *, is_scan: bool
    ) -> NDArray[np.int64]:
        start, stop = int(self._starts[number]), int(self._starts[number + 1])
        selector = None
        wanted = min(limit, int(stop - start))
        if selection is not None:
            part = selection.bitmap[start // 8 : (stop + 7) // 8]
            selector = faiss.IDSelectorBitmap(part)
            wanted = min(wanted, int(np.bitwise_count(part).sum()))
        if not wanted:
            return np.empty(0, np.int64)
        index = self._shards[number]
        if not is_scan:
            share = 1.0 if selection is None else selection.share
            breadth = int(max(self.ef_search, limit) / share)
            parameters = (
                _unfiltered(breadth)
                if selector is None
                else faiss.SearchParametersHNSW(efSearch=breadth, sel=selector)
            )
            rows = _ids(index, query, limit, parameters)
            if len(rows) >= wanted:
                return rows + start
        storage = faiss.downcast_index(index.storage) if self.kind == HNSW else index
        return _ids(storage, query, limit, faiss.SearchParameters(sel=selector)) + start


@lru_cache(maxsize=64)
def _unfiltered(breadth: int) -> Any:
    """Return the parameters of a search of everything, which is only read."""
    return faiss.SearchParametersHNSW(efSearch=breadth)


def _ids(index: Any, query: Vectors, limit: int, parameters: Any) -> NDArray[np.int64]:
    # OpenMP would give every thread that searches helpers of its own, which wait for each other
    # longer than one query takes. The number is one of the calling thread, so it is set each time.
    faiss.omp_set_num_threads(1)
    _, found = index.search(query[np.newaxis, :], limit, params=parameters)
    rows = np.asarray(found[0], dtype=np.int64)
    return rows[rows >= 0]
