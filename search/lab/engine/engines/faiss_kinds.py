"""faiss: exact, one byte a dimension with a float rerank, and a graph over such codes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from search.engine.files import mapped
from search.lab.engine.contract import Check, Parameter, Plan, Rows, Scores, Vectors

_INDEX, _FLOATS, _BUCKETS = "index.faiss", "vectors.npy", "buckets.npy"
_BATCH = 5_000
M = Parameter("m", 32, 4, 128, meaning="edges of a node of the graph")
EF_CONSTRUCTION = Parameter("ef_construction", 200, 8, 2_000, meaning="breadth of the build")
EF_SEARCH = Parameter("ef_search", 100, 1, 10_000, meaning="breadth of a search")
RERANK = Parameter(
    "rerank", 100, 0, 10_000, meaning="candidates ranked by their float vectors; 0 for none"
)


@dataclass(frozen=True)
class Faiss:
    """One kind of faiss index.

    Attributes
    ----------
    name : str
        ``faiss-flat``, ``faiss-sq8`` or ``faiss-hnsw-sq8``.
    """

    name: str
    parameters: tuple[Parameter, ...] = ()
    filters: str = "before"

    def version(self) -> str:
        """Return the version of faiss."""
        return str(faiss.__version__)

    def build(
        self,
        vectors: Vectors,
        buckets: NDArray[np.int16],
        folder: Path,
        parameters: Mapping[str, Any],
        check: Check,
    ) -> None:
        """Add the vectors in order, in one thread, so that a build can be repeated."""
        faiss.omp_set_num_threads(1)
        index = self._empty(vectors.shape[1], parameters)
        if not index.is_trained:
            index.train(np.ascontiguousarray(vectors[:: max(1, len(vectors) // 50_000)]))
        for start in range(0, len(vectors), _BATCH):
            check()
            index.add(np.ascontiguousarray(vectors[start : start + _BATCH]))
        faiss.write_index(index, str(folder / _INDEX))
        np.save(folder / _BUCKETS, buckets)
        if parameters.get("rerank"):
            np.save(folder / _FLOATS, vectors)

    def _empty(self, dimension: int, parameters: Mapping[str, Any]) -> Any:
        metric, byte = faiss.METRIC_INNER_PRODUCT, faiss.ScalarQuantizer.QT_8bit
        if self.name == "faiss-flat":
            return faiss.IndexFlatIP(dimension)
        if self.name == "faiss-sq8":
            return faiss.IndexScalarQuantizer(dimension, byte, metric)
        index = faiss.IndexHNSWSQ(dimension, byte, parameters["m"], metric)
        index.hnsw.efConstruction = parameters["ef_construction"]
        return index

    def open(self, folder: Path, parameters: Mapping[str, Any]) -> "OpenFaiss":
        """Map the files of a folder."""
        faiss.omp_set_num_threads(1)
        index = faiss.read_index(str(folder / _INDEX), faiss.IO_FLAG_MMAP_IFC)
        floats = None
        if parameters.get("rerank"):
            floats = mapped(folder / _FLOATS)
        return OpenFaiss(self.name, index, np.load(folder / _BUCKETS), floats, parameters)


class OpenFaiss:
    """A faiss index opened for searching."""

    servers = ()

    def __init__(
        self,
        name: str,
        index: Any,
        buckets: NDArray[np.int16],
        floats: Vectors | None,
        parameters: Mapping[str, Any],
    ) -> None:
        self._name = name
        self._index = index
        self._buckets = buckets
        self._floats = floats
        self._parameters = parameters
        self._selectors: dict[int, tuple[Any, NDArray[np.uint8]]] = {}
        self._ways: dict[tuple[int, int | None], Any] = {}

    def search(self, query: Vectors, k: int, below: int | None = None) -> tuple[Rows, Scores]:
        """Search the index, then rank the candidates by their float vectors."""
        wanted = k if self._floats is None else max(k, self._parameters["rerank"])
        scores, rows = self._index.search(
            query[np.newaxis, :], wanted, params=self._how(wanted, below)
        )
        found, values = rows[0], scores[0]
        if len(found) and found[-1] < 0:  # faiss fills up what it did not find
            known = found >= 0
            found, values = found[known], values[known]
        if self._floats is not None:
            values = self._floats[found] @ query
            best = np.argsort(-values, kind="stable")[:k]
            found, values = found[best], values[best]
        return found.astype(np.int64, copy=False), values.astype(np.float64)

    def _how(self, wanted: int, below: int | None) -> Any:
        """Return the parameters of a search; making them anew each time costs as much as 1 %."""
        key = (wanted, below)
        if key not in self._ways:
            selector = None if below is None else self._selector(below)
            if self._name == "faiss-hnsw-sq8":
                breadth = max(self._parameters["ef_search"], wanted)
                self._ways[key] = faiss.SearchParametersHNSW(efSearch=breadth, sel=selector)
            else:
                self._ways[key] = faiss.SearchParameters(sel=selector)
        return self._ways[key]

    def _selector(self, below: int) -> Any:
        if below not in self._selectors:
            bitmap = np.packbits(self._buckets < below, bitorder="little")
            self._selectors[below] = (faiss.IDSelectorBitmap(bitmap), bitmap)
        return self._selectors[below][0]

    def plan(self, query: Vectors, k: int, below: int | None = None) -> Plan:
        """Name the kind of index, which is all there is to search."""
        way = {"faiss-flat": "scan", "faiss-sq8": "codes"}.get(self._name, "graph")
        evidence = type(faiss.downcast_index(self._index)).__name__
        return Plan(uses_index=True, evidence=evidence, way=way)

    def close(self) -> None:
        """Drop the index and its selectors."""
        self._ways.clear()
        self._selectors.clear()
        self._index = None


FLAT = Faiss("faiss-flat")
SQ8 = Faiss("faiss-sq8", (RERANK,))
HNSW_SQ8 = Faiss("faiss-hnsw-sq8", (M, EF_CONSTRUCTION, EF_SEARCH, RERANK))
