"""The portal's own vector leg: codes or a graph over codes, reranked by the float vectors."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from search.engine import vectors as leg
from search.engine.selection import Selection
from search.lab.engine.contract import Check, Parameter, Plan, Rows, Scores, Vectors

_BUCKETS, _FACTS = "buckets.npy", "facts.json"
_TRAINING = 20_000
_BATCH = 5_000
FORMAT = "1"


@dataclass(frozen=True)
class Millwright:
    """What `search.engine` builds, at its own defaults."""

    name: str = "millwright"
    filters: str = "before"
    parameters: tuple[Parameter, ...] = (
        Parameter("exact_below", 30_000, 0, 10_000_000, meaning="vectors below which codes do"),
        Parameter("code_bits", 4, 4, 8, meaning="bits a dimension in the graph"),
        Parameter("m", 16, 4, 128, meaning="edges of a node of the graph"),
        Parameter("ef_construction", 200, 8, 2_000, meaning="breadth of the build"),
        Parameter("ef_search", 100, 1, 10_000, meaning="breadth of a search"),
    )

    def version(self) -> str:
        """Return the format of the index and the version of faiss below it."""
        return f"{FORMAT}, faiss {faiss.__version__}"

    def build(
        self,
        vectors: Vectors,
        buckets: NDArray[np.int16],
        folder: Path,
        parameters: Mapping[str, Any],
        check: Check,
    ) -> None:
        """Build one shard."""
        kind = leg.HNSW if len(vectors) >= parameters["exact_below"] else leg.EXACT
        training = np.ascontiguousarray(vectors[:: max(1, len(vectors) // _TRAINING)])
        built: Any = None
        for _done, part in leg.build_shard(
            vectors,
            training,
            kind=kind,
            code_bits=parameters["code_bits"],
            m=parameters["m"],
            ef_construction=parameters["ef_construction"],
            batch=_BATCH,
        ):
            check()
            built = part
        faiss.write_index(built, str(folder / leg.shard_name(0)))
        np.save(folder / leg.FLOATS, vectors)
        np.save(folder / _BUCKETS, buckets)
        (folder / _FACTS).write_text(json.dumps({"kind": kind, "size": len(vectors)}))

    def open(self, folder: Path, parameters: Mapping[str, Any]) -> "OpenMillwright":
        """Map the files of a folder."""
        facts = json.loads((folder / _FACTS).read_text())
        index = leg.VectorIndex.open(
            folder, [facts["size"]], facts["kind"], parameters["ef_search"]
        )
        return OpenMillwright(index, np.load(folder / _BUCKETS))


class OpenMillwright:
    """The portal's vector leg opened for searching."""

    servers = ()

    def __init__(self, index: leg.VectorIndex, buckets: NDArray[np.int16]) -> None:
        self._index = index
        self._buckets = buckets
        self._selections: dict[int, Selection] = {}

    def search(self, query: Vectors, k: int, below: int | None = None) -> tuple[Rows, Scores]:
        """Search as `search.engine` does, the selection kept as its façade keeps it."""
        selection = None if below is None else self._selection(below)
        rows, scores = self._index.search(query, k, selection)
        return rows, scores.astype(np.float64)

    def _selection(self, below: int) -> Selection:
        if below not in self._selections:
            rows = np.flatnonzero(self._buckets < below)
            self._selections[below] = Selection.of_rows(rows, len(self._buckets), (), exact=False)
        return self._selections[below]

    def plan(self, query: Vectors, k: int, below: int | None = None) -> Plan:
        """Say which of its ways the planner takes."""
        selection = None if below is None else self._selection(below)
        count = len(self._index) if selection is None else selection.count
        way = self._index.way(k, selection)
        evidence = {
            leg.ROWS: f"float vectors of {count} selected rows",
            leg.CODES: "scan of codes",
            leg.GRAPH: "graph over codes",
        }
        return Plan(uses_index=way != leg.ROWS, evidence=evidence[way], way=way)

    def close(self) -> None:
        """Drop the selections; the maps go with the index."""
        self._selections.clear()


MILLWRIGHT = Millwright()
