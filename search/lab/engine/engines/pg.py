"""pgvector on a Postgres that whoever runs the lab hands over as a function that connects."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from search.lab.engine import usage
from search.lab.engine.contract import Check, Parameter, Plan, Rows, Scores, Vectors
from search.lab.engine.engines.faiss_kinds import EF_SEARCH
from search.lab.engine.problems import EngineProblem

_FACTS = "table.json"
_BATCH = 1_000
_SERVER = "postgres"
#: Else Postgres indexes on, for minutes, for somebody who was ended; before version 14 it has to.
_END_WITH_THE_CLIENT = """
    SELECT set_config(name, '1s', false) FROM pg_settings
    WHERE name = 'client_connection_check_interval'
"""


def _nowhere() -> Any:
    raise EngineProblem("engine_missing", engine="pgvector", reason="no Postgres was given")


@dataclass(frozen=True)
class PgVector:
    """A table of its own for every index, with an HNSW index by inner product."""

    connect: Callable[[], Any] = _nowhere
    name: str = "pgvector"
    filters: str = "after"
    parameters: tuple[Parameter, ...] = (
        Parameter("m", 16, 2, 100, meaning="edges of a node of the graph"),
        Parameter("ef_construction", 64, 4, 1_000, meaning="breadth of the build"),
        Parameter("ef_search", EF_SEARCH.default, 1, 1_000, meaning="breadth of a search"),
        Parameter(
            "iterative_scan",
            "off",
            choices=("off", "relaxed_order", "strict_order"),
            meaning="whether a filtered search goes on until it has k rows",
        ),
    )

    def version(self) -> str:
        """Return the version of the extension."""
        with self.connect() as connection:
            row = connection.execute(
                "SELECT default_version FROM pg_available_extensions WHERE name = 'vector'"
            ).fetchone()
        if row is None:
            raise EngineProblem(
                "engine_missing", engine="pgvector", reason="this Postgres has no pgvector"
            )
        return str(row[0])

    def build(
        self,
        vectors: Vectors,
        buckets: NDArray[np.int16],
        folder: Path,
        parameters: Mapping[str, Any],
        check: Check,
    ) -> None:
        """Copy the vectors into a table and index them."""
        self.version()
        table = f"lab_{hashlib.sha256(str(folder).encode()).hexdigest()[:24]}"
        with self.connect() as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
            connection.execute(f"DROP TABLE IF EXISTS {table}")
            connection.execute(
                f"CREATE UNLOGGED TABLE {table} "
                f"(row integer, bucket smallint, vector vector({vectors.shape[1]}))"
            )
            with connection.cursor().copy(f"COPY {table} FROM STDIN") as copy:
                for row in range(len(vectors)):
                    if row % _BATCH == 0:
                        check()
                    copy.write_row((row, int(buckets[row]), _text(vectors[row])))
            connection.execute("SET maintenance_work_mem = '1GB'")
            connection.execute("SET max_parallel_maintenance_workers = 0")
            connection.execute(_END_WITH_THE_CLIENT)
            connection.execute(
                f"CREATE INDEX ON {table} USING hnsw (vector vector_ip_ops) "
                f"WITH (m = {parameters['m']}, ef_construction = {parameters['ef_construction']})"
            )
            connection.execute(f"ANALYZE {table}")
            size = connection.execute(
                "SELECT pg_total_relation_size(%s::regclass)", [table]
            ).fetchone()[0]
            used = _used(connection)
        # Of the graph nothing else is in a file, and each build draws another.
        facts = {"table": table, "size_bytes": size, "build": uuid4().hex}
        (folder / _FACTS).write_text(json.dumps(facts | used))

    def open(self, folder: Path, parameters: Mapping[str, Any]) -> "OpenPgVector":
        """Open a session with the search's settings.

        Raises
        ------
        EngineProblem
            If Postgres crashed since the build: it empties tables that it does not log.
        """
        table = str(json.loads((folder / _FACTS).read_text())["table"])
        connection = self.connect()
        connection.autocommit = True
        if not connection.execute(f"SELECT EXISTS (SELECT FROM {table})").fetchone()[0]:  # noqa: S608 - a digest
            connection.close()
            raise EngineProblem("table_emptied", engine=self.name)
        connection.execute(f"SET hnsw.iterative_scan = '{parameters['iterative_scan']}'")
        connection.execute("SET max_parallel_workers_per_gather = 0")
        return OpenPgVector(connection, table, _servers(connection), int(parameters["ef_search"]))

    def drop(self, folder: Path) -> None:
        """Drop the table of a folder that is going to be removed."""
        facts = folder / _FACTS
        if facts.exists():
            table = str(json.loads(facts.read_text())["table"])
            with self.connect() as connection:
                connection.execute(f"DROP TABLE IF EXISTS {table}")


class OpenPgVector:
    """A session on the table of an index."""

    def __init__(self, connection: Any, table: str, servers: usage.Servers, ef_search: int) -> None:
        self._connection = connection
        self._table = table
        self.servers = servers
        self._ef_search = ef_search
        self._breadth = 0

    def search(self, query: Vectors, k: int, below: int | None = None) -> tuple[Rows, Scores]:
        """Ask for the k rows of least negative inner product."""
        self._widen(k)
        found = self._connection.execute(*self._statement(query, k, below)).fetchall()
        rows = np.array([row for row, _ in found], dtype=np.int64)
        return rows, -np.array([distance for _, distance in found], dtype=np.float64)

    def plan(self, query: Vectors, k: int, below: int | None = None) -> Plan:
        """Return the plan of Postgres."""
        self._widen(k)
        sql, values = self._statement(query, k, below)
        lines = self._connection.execute(f"EXPLAIN {sql}", values).fetchall()
        text = "\n".join(line for (line,) in lines)
        is_used = "Index Scan using" in text
        return Plan(uses_index=is_used, evidence=text, way="graph" if is_used else "scan")

    def _widen(self, k: int) -> None:
        """Search no less broadly than rows are asked for: else no more rows come back."""
        if self._breadth != (wanted := max(self._ef_search, k)):
            self._connection.execute(f"SET hnsw.ef_search = {wanted}")
            self._breadth = wanted

    def _statement(self, query: Vectors, k: int, below: int | None) -> tuple[str, list[Any]]:
        where = "" if below is None else f"WHERE bucket < {int(below)} "
        sql = (
            f"SELECT row, vector <#> %s::vector AS distance FROM {self._table} "  # noqa: S608 - a digest
            f"{where}ORDER BY distance LIMIT {int(k)}"
        )
        return sql, [_text(query)]

    def close(self) -> None:
        """Close the session."""
        self._connection.close()


def _servers(connection: Any) -> usage.Servers:
    """Return the process of a session, None where it is not on this machine."""
    found = connection.execute("SELECT pg_backend_pid()").fetchone()[0]
    return (found,) if usage.is_called(found, _SERVER) else None


def _used(connection: Any) -> dict[str, float]:
    """Return what a session has used so far; empty where that cannot be seen."""
    servers = _servers(connection)
    if servers is None:
        return {}
    return {"cpu_s": usage.cpu_s(servers), "peak_mb": usage.highest_mb(servers)}


def _text(vector: Vectors) -> str:
    return "[" + ",".join(map(repr, vector.tolist())) + "]"
