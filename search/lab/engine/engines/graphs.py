"""hnswlib and usearch: graph libraries that hold float vectors in memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.lab.engine.contract import Check, Parameter, Plan, Rows, Scores, Vectors
from search.lab.engine.engines.faiss_kinds import EF_CONSTRUCTION, EF_SEARCH, M

_INDEX, _BUCKETS, _SHAPE = "index.bin", "buckets.npy", "shape.npy"
_BATCH = 5_000
_SEED = 1


@dataclass(frozen=True)
class Hnswlib:
    """hnswlib, from the chroma-hnswlib wheel; filters are tested while the graph is walked."""

    name: str = "hnswlib"
    filters: str = "before"
    parameters: tuple[Parameter, ...] = (M, EF_CONSTRUCTION, EF_SEARCH)

    def version(self) -> str:
        """Return the version of the wheel."""
        return version("chroma-hnswlib")

    def build(
        self,
        vectors: Vectors,
        buckets: NDArray[np.int16],
        folder: Path,
        parameters: Mapping[str, Any],
        check: Check,
    ) -> None:
        """Add the vectors in one thread, so that a build can be repeated."""
        import hnswlib  # noqa: PLC0415 - only where it is measured

        index = hnswlib.Index(space="ip", dim=vectors.shape[1])
        index.init_index(
            len(vectors),
            ef_construction=parameters["ef_construction"],
            M=parameters["m"],
            random_seed=_SEED,
        )
        index.set_num_threads(1)
        for start in range(0, len(vectors), _BATCH):
            check()
            part = np.ascontiguousarray(vectors[start : start + _BATCH])
            index.add_items(part, np.arange(start, start + len(part)))
        index.save_index(str(folder / _INDEX))
        np.save(folder / _BUCKETS, buckets)
        np.save(folder / _SHAPE, np.array(vectors.shape))

    def open(self, folder: Path, parameters: Mapping[str, Any]) -> "OpenHnswlib":
        """Read the index into memory."""
        import hnswlib  # noqa: PLC0415 - as above

        count, dimension = np.load(folder / _SHAPE).tolist()
        index = hnswlib.Index(space="ip", dim=dimension)
        index.load_index(str(folder / _INDEX), max_elements=count)
        index.set_num_threads(1)
        return OpenHnswlib(index, np.load(folder / _BUCKETS), parameters["ef_search"])


class OpenHnswlib:
    """An hnswlib index opened for searching."""

    servers = ()

    def __init__(self, index: Any, buckets: NDArray[np.int16], ef_search: int) -> None:
        self._index = index
        self._buckets = buckets
        self._ef_search = ef_search
        self._breadth = 0
        self._passing: dict[int, frozenset[int]] = {}

    def search(self, query: Vectors, k: int, below: int | None = None) -> tuple[Rows, Scores]:
        """Walk the graph; fewer than k rows where the filter let the walk find no more."""
        breadth = max(self._ef_search, k)
        if breadth != self._breadth:
            self._index.set_ef(breadth)
            self._breadth = breadth
        passes = None if below is None else self._filter(below)
        wanted = k
        while wanted:
            try:
                rows, distances = self._index.knn_query(query, k=wanted, filter=passes)
            except RuntimeError:  # it found fewer than were asked for
                wanted //= 2
                continue
            return rows[0].astype(np.int64), np.subtract(1.0, distances[0], dtype=np.float64)
        return np.empty(0, np.int64), np.empty(0, np.float64)

    def _filter(self, below: int) -> Any:
        if below not in self._passing:
            self._passing[below] = frozenset(np.flatnonzero(self._buckets < below).tolist())
        return self._passing[below].__contains__

    def plan(self, query: Vectors, k: int, below: int | None = None) -> Plan:
        """Name the graph, which is all there is to search."""
        evidence = f"HNSW graph of {self._index.element_count} nodes"
        return Plan(uses_index=True, evidence=evidence, way="graph")

    def close(self) -> None:
        """Drop the index."""
        self._passing.clear()
        self._index = None


@dataclass(frozen=True)
class Usearch:
    """usearch, read by mmap; its Python interface has no filter, so results are filtered."""

    name: str = "usearch"
    filters: str = "after"
    parameters: tuple[Parameter, ...] = (
        M,
        EF_CONSTRUCTION,
        EF_SEARCH,
        Parameter("dtype", "f32", choices=("f32", "bf16", "f16", "i8"), meaning="stored numbers"),
    )

    def version(self) -> str:
        """Return the version of usearch."""
        return version("usearch")

    def build(
        self,
        vectors: Vectors,
        buckets: NDArray[np.int16],
        folder: Path,
        parameters: Mapping[str, Any],
        check: Check,
    ) -> None:
        """Add the vectors in one thread."""
        from usearch.index import Index  # noqa: PLC0415 - only where it is measured

        index = Index(
            ndim=vectors.shape[1],
            metric="ip",
            dtype=parameters["dtype"],
            connectivity=parameters["m"],
            expansion_add=parameters["ef_construction"],
            expansion_search=parameters["ef_search"],
        )
        for start in range(0, len(vectors), _BATCH):
            check()
            part = np.ascontiguousarray(vectors[start : start + _BATCH])
            index.add(np.arange(start, start + len(part)), part, threads=1)
        index.save(str(folder / _INDEX))
        np.save(folder / _BUCKETS, buckets)
        np.save(folder / _SHAPE, np.array(vectors.shape))

    def open(self, folder: Path, parameters: Mapping[str, Any]) -> "OpenUsearch":
        """Map the index."""
        from usearch.index import Index  # noqa: PLC0415 - as above

        _, dimension = np.load(folder / _SHAPE).tolist()
        index = Index(
            ndim=dimension,
            metric="ip",
            dtype=parameters["dtype"],
            connectivity=parameters["m"],
            expansion_search=parameters["ef_search"],
        )
        index.view(str(folder / _INDEX))
        return OpenUsearch(index, np.load(folder / _BUCKETS))


class OpenUsearch:
    """A usearch index opened for searching."""

    servers = ()

    def __init__(self, index: Any, buckets: NDArray[np.int16]) -> None:
        self._index = index
        self._buckets = buckets

    def search(self, query: Vectors, k: int, below: int | None = None) -> tuple[Rows, Scores]:
        """Search, then drop what the filter does not let through: fewer than k may be left."""
        found = self._index.search(query, k, threads=1)
        rows = np.asarray(found.keys).astype(np.int64)
        scores = 1.0 - np.asarray(found.distances).astype(np.float64)
        if below is not None:
            kept = self._buckets[rows] < below
            rows, scores = rows[kept], scores[kept]
        return rows, scores

    def plan(self, query: Vectors, k: int, below: int | None = None) -> Plan:
        """Name the graph, which is all there is to search."""
        evidence = f"HNSW graph of {len(self._index)} nodes"
        return Plan(uses_index=True, evidence=evidence, way="graph")

    def close(self) -> None:
        """Drop the index."""
        self._index = None


HNSWLIB = Hnswlib()
USEARCH = Usearch()
