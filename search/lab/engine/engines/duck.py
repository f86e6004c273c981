"""DuckDB: an exact scan and the HNSW index of its extension vss, loaded from the installed wheel.

The index is used by one shape of query only, so each cell keeps the plan. A filter is applied to
the k rows that the index gave, which therefore may be few.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from search.lab.engine.contract import Check, Parameter, Plan, Rows, Scores, Vectors
from search.lab.engine.engines.faiss_kinds import EF_SEARCH
from search.lab.engine.problems import EngineProblem

_FILE = "lab.duckdb"
_BATCH = 10_000
THREADS = Parameter("threads", 1, 1, 64, meaning="threads of one query")
#: More than one builds another graph each time.
BUILD_THREADS = Parameter("build_threads", 1, 1, 64, meaning="threads that build the index")


def extension(name: str) -> str:
    """Return where the installed wheel keeps an extension.

    Raises
    ------
    EngineProblem
        If the wheel is not installed.
    """
    try:
        module = import_module(f"duckdb_extension_{name}")
    except ImportError as exc:
        raise EngineProblem("engine_missing", engine=f"DuckDB {name}", reason=str(exc)) from exc
    places = sorted(Path(str(module.__file__)).parent.rglob(f"{name}.duckdb_extension"))
    if not places:
        raise EngineProblem(
            "engine_missing", engine=f"DuckDB {name}", reason="the wheel holds no extension"
        )
    return str(places[0])


def connect(path: Path, *extensions: str, threads: int, read_only: bool) -> Any:
    """Open a database file with extensions loaded."""
    connection = duckdb.connect(str(path), read_only=read_only, config={"threads": threads})
    for name in extensions:
        connection.execute(f"LOAD '{extension(name)}'")
    return connection


@dataclass(frozen=True)
class DuckDB:
    """DuckDB with or without its HNSW index."""

    name: str
    is_indexed: bool
    parameters: tuple[Parameter, ...]

    @property
    def filters(self) -> str:
        """How a filter is applied."""
        return "after" if self.is_indexed else "before"

    def version(self) -> str:
        """Return the version of DuckDB."""
        return duckdb.__version__

    def build(
        self,
        vectors: Vectors,
        buckets: NDArray[np.int16],
        folder: Path,
        parameters: Mapping[str, Any],
        check: Check,
    ) -> None:
        """Load the vectors by Arrow and index them."""
        names = ("vss",) if self.is_indexed else ()
        threads = parameters.get("build_threads", 1)
        connection = connect(folder / _FILE, *names, threads=threads, read_only=False)
        width = vectors.shape[1]
        connection.execute(
            f"CREATE TABLE passages (row INTEGER, bucket SMALLINT, vector FLOAT[{width}])"
        )
        for start in range(0, len(vectors), _BATCH):
            check()
            part = np.ascontiguousarray(vectors[start : start + _BATCH])
            content = pa.table(
                {
                    "row": pa.array(np.arange(start, start + len(part), dtype=np.int32)),
                    "bucket": pa.array(buckets[start : start + len(part)]),
                    "vector": pa.FixedSizeListArray.from_arrays(pa.array(part.ravel()), width),
                }
            )
            connection.register("content", content)
            connection.execute("INSERT INTO passages SELECT * FROM content")
            connection.unregister("content")
        if self.is_indexed:
            connection.execute("SET hnsw_enable_experimental_persistence = true")
            connection.execute(
                "CREATE INDEX near ON passages USING HNSW (vector) WITH (metric = 'ip', "
                f"M = {parameters['m']}, ef_construction = {parameters['ef_construction']})"
            )
        connection.execute("CHECKPOINT")
        connection.close()

    def open(self, folder: Path, parameters: Mapping[str, Any]) -> "OpenDuckDB":
        """Open the database for reading."""
        names = ("vss",) if self.is_indexed else ()
        connection = connect(folder / _FILE, *names, threads=parameters["threads"], read_only=True)
        return OpenDuckDB(connection, parameters["ef_search"] if self.is_indexed else None)


class OpenDuckDB:
    """A DuckDB database opened for searching."""

    servers = ()

    def __init__(self, connection: Any, ef_search: int | None) -> None:
        self._connection = connection
        self._ef_search = ef_search
        self._breadth = 0

    def search(self, query: Vectors, k: int, below: int | None = None) -> tuple[Rows, Scores]:
        """Ask for the k rows of least negative inner product."""
        self._widen(k)
        found = self._connection.execute(_sql(len(query), k, below), [query]).fetchnumpy()
        return found["row"].astype(np.int64), -found["distance"].astype(np.float64)

    def plan(self, query: Vectors, k: int, below: int | None = None) -> Plan:
        """Return DuckDB's own plan."""
        self._widen(k)
        sql = f"EXPLAIN {_sql(len(query), k, below)}"
        text = "\n".join(row[1] for row in self._connection.execute(sql, [query]).fetchall())
        is_used = "HNSW_INDEX_SCAN" in text or self._ef_search is None
        way = "graph" if "HNSW_INDEX_SCAN" in text else "scan"
        return Plan(uses_index=is_used, evidence=text, way=way)

    def _widen(self, k: int) -> None:
        """Search no less broadly than rows are asked for: else no more rows come back."""
        if self._ef_search is not None and self._breadth != (wanted := max(self._ef_search, k)):
            self._connection.execute(f"SET hnsw_ef_search = {wanted}")
            self._breadth = wanted

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _sql(width: int, k: int, below: int | None) -> str:
    where = "" if below is None else f"WHERE bucket < {int(below)} "
    return (
        f"SELECT row, array_negative_inner_product(vector, ?::FLOAT[{width}]) AS distance "  # noqa: S608 - numbers of ours
        f"FROM passages {where}ORDER BY distance LIMIT {int(k)}"
    )


HNSW = DuckDB(
    "duckdb-hnsw",
    is_indexed=True,
    parameters=(
        Parameter("m", 16, 4, 128, meaning="edges of a node of the graph"),
        Parameter("ef_construction", 128, 8, 2_000, meaning="breadth of the build"),
        EF_SEARCH,
        THREADS,
        BUILD_THREADS,
    ),
)
EXACT = DuckDB("duckdb-exact", is_indexed=False, parameters=(THREADS,))
