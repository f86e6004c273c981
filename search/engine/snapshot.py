"""The DuckDB snapshot: metadata, filters, facets; also what analysts and the lab read.

Loaded by Arrow in batches, read-only afterwards. Numbers, texts and flags of the metadata lie in
one narrow table, so that documents may bring any names.
"""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from search.engine.filters import FIELDS, Condition, scalars, type_of
from search.engine.passages import Passage
from search.engine.problems import IndexDamaged, unopened

NAME = "snapshot.duckdb"

_PASSAGES = pa.schema(
    [
        ("row", pa.int64()),
        ("id", pa.string()),
        ("document_id", pa.string()),
        ("position", pa.int32()),
        ("title", pa.string()),
        ("headings", pa.list_(pa.string())),
        ("text", pa.string()),
        ("taxonomy", pa.string()),
        ("content_type", pa.string()),
        ("date", pa.date32()),
    ]
)
_ATTRIBUTES = pa.schema(
    [
        ("row", pa.int64()),
        ("name", pa.string()),
        ("text", pa.string()),
        ("number", pa.float64()),
        ("flag", pa.bool_()),
    ]
)
_SIGNS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


class SnapshotWriter:
    """Loads passages batch by batch."""

    def __init__(self, folder: Path, memory_mb: int) -> None:
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": f"{memory_mb}MB",
            "threads": 1,
            "temp_directory": str(folder / "spill"),
            "preserve_insertion_order": True,
        }
        self._connection = duckdb.connect(str(folder / NAME), config=config)
        self._connection.execute(
            "CREATE TABLE passages (row BIGINT, id VARCHAR, document_id VARCHAR, position INTEGER,"
            " title VARCHAR, headings VARCHAR[], text VARCHAR, taxonomy VARCHAR,"
            " content_type VARCHAR, date DATE)"
        )
        self._connection.execute(
            "CREATE TABLE attributes"
            " (row BIGINT, name VARCHAR, text VARCHAR, number DOUBLE, flag BOOLEAN)"
        )

    def add(self, first_row: int, passages: Sequence[Passage]) -> None:
        """Append passages whose rows follow one another."""
        rows = range(first_row, first_row + len(passages))
        columns: dict[str, list[Any]] = {"row": list(rows)}
        for name in _PASSAGES.names[1:]:
            columns[name] = [getattr(one, name) for one in passages]
        self._insert("passages", pa.table(columns, schema=_PASSAGES))
        attributes = [
            (row, name, *_typed(value))
            for row, passage in zip(rows, passages, strict=True)
            for name, given in passage.metadata.items()
            for value in scalars(given)
        ]
        if attributes:
            arrays = [
                pa.array(column, type=field.type)
                for column, field in zip(zip(*attributes, strict=True), _ATTRIBUTES, strict=True)
            ]
            self._insert("attributes", pa.Table.from_arrays(arrays, schema=_ATTRIBUTES))

    def _insert(self, table: str, batch: pa.Table) -> None:
        self._connection.register("batch", batch)
        self._connection.execute(f"INSERT INTO {table} SELECT * FROM batch")  # noqa: S608 - ours
        self._connection.unregister("batch")

    def repeated_id(self) -> str | None:
        """Return an id that two passages share, or None."""
        found = self._connection.execute(
            "SELECT id FROM passages GROUP BY id HAVING count(*) > 1 LIMIT 1"
        ).fetchone()
        return None if found is None else str(found[0])

    def n_documents(self) -> int:
        """Return the number of distinct documents."""
        found = self._connection.execute(
            "SELECT count(DISTINCT document_id) FROM passages"
        ).fetchall()
        return int(found[0][0])

    def fields(self) -> dict[str, str]:
        """Return names and types of all fields to filter by."""
        found = self._connection.execute(
            "SELECT name, bool_or(text IS NOT NULL), bool_or(number IS NOT NULL),"
            " bool_or(flag IS NOT NULL) FROM attributes GROUP BY name ORDER BY name"
        ).fetchall()
        return dict(FIELDS) | {name: _kind(*seen) for name, *seen in found}

    def close(self) -> None:
        """Write everything into the one file."""
        self._connection.execute("CHECKPOINT")
        self._connection.close()


class Snapshot:
    """A snapshot opened for reading; one query at a time, since answers are remembered above."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._lock = threading.Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None

    def rows(self, conditions: Sequence[Condition]) -> NDArray[np.int64]:
        """Return the rows that satisfy all conditions, in no order."""
        words, values = _where(conditions)
        found = self._numpy(f"SELECT row FROM passages WHERE {words}", values)  # noqa: S608 - as _where
        return np.asarray(found["row"], dtype=np.int64)

    def rows_of(self, document_ids: Sequence[str]) -> NDArray[np.int64]:
        """Return the rows of some documents in order."""
        found = self._numpy(
            "SELECT row FROM passages WHERE document_id IN (SELECT unnest(?)) ORDER BY row",
            [list(document_ids)],
        )
        return np.asarray(found["row"], dtype=np.int64)

    def row_of(self, passage_id: str) -> int | None:
        """Return the row of a passage, or None."""
        found = self._numpy("SELECT row FROM passages WHERE id = ?", [passage_id])["row"]
        return int(found[0]) if len(found) else None

    def facets(self, field: str, rows: NDArray[np.int64]) -> dict[Any, int]:
        """Return the values of a field among some rows and how many rows have each."""
        if field in FIELDS:
            source = f"SELECT row, {field} AS value FROM passages"  # noqa: S608 - ours
            values: list[Any] = [rows]
        else:
            source = (
                "SELECT row, coalesce(text, CAST(number AS VARCHAR), CAST(flag AS VARCHAR))"
                " AS value FROM attributes WHERE name = ?"
            )
            values = [field]
        with self._lock:
            connection = self._opened()
            connection.register("chosen", pa.table({"row": rows}))
            try:
                found = connection.execute(
                    f"SELECT value, count(*) FROM ({source}) JOIN chosen USING (row)"  # noqa: S608
                    " WHERE value IS NOT NULL GROUP BY value",
                    values if field not in FIELDS else [],
                ).fetchall()
            finally:
                connection.unregister("chosen")
        return dict(found)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _numpy(self, query: str, values: Sequence[Any]) -> Mapping[str, NDArray[Any]]:
        with self._lock:
            return cast(
                "Mapping[str, NDArray[Any]]", self._opened().execute(query, values).fetchnumpy()
            )

    def _opened(self) -> duckdb.DuckDBPyConnection:
        if self._connection is None:
            try:
                self._connection = duckdb.connect(
                    str(self._path), read_only=True, config={"threads": 1, "memory_limit": "128MB"}
                )
            except duckdb.Error as exc:
                raise unopened(exc, IndexDamaged("file_changed", value=NAME)) from exc
        return self._connection


def _typed(value: str | float | bool) -> tuple[str | None, float | None, bool | None]:
    if isinstance(value, bool):
        return None, None, value
    if isinstance(value, str):
        return value, None, None
    return None, float(value), None


def _kind(has_text: bool, has_number: bool, has_flag: bool) -> str:
    seen = [
        name
        for name, is_in in (("text", has_text), ("number", has_number), ("flag", has_flag))
        if is_in
    ]
    return seen[0] if len(seen) == 1 else "mixed"


def _where(conditions: Sequence[Condition]) -> tuple[str, list[Any]]:
    """Return a WHERE clause made of fixed words and marks, and the values for the marks."""
    words: list[str] = []
    values: list[Any] = []
    for one in conditions:
        if one.field == "taxonomy":
            text = " OR ".join("taxonomy = ? OR starts_with(taxonomy, ?)" for _ in one.values)
            words.append(f"({text})")
            for path in one.values:
                values += [path, path + "/"]
        elif one.field in FIELDS:
            words.append(_compared(one.field, one, one.values, values))
        else:
            inner, inner_values = _attribute(one)
            held = f"SELECT row FROM attributes WHERE name = ? AND ({inner})"  # noqa: S608 - marks
            words.append(f"row IN ({held})")
            values += [one.field, *inner_values]
    return " AND ".join(words) or "true", values


def _attribute(condition: Condition) -> tuple[str, list[Any]]:
    """Return what must hold of one attribute; its columns are chosen by the type of the values."""
    if condition.bounds:
        values: list[Any] = []
        words = []
        for bound, limit in condition.bounds:
            column = "text" if isinstance(limit, str) else "number"
            words.append(f"{column} {_SIGNS[bound]} ?")
            values.append(limit)
        return " AND ".join(words), values
    words, values = [], []
    for column in ("text", "number", "flag"):
        chosen = [value for value in condition.values if type_of(value) == column]
        if chosen:
            words.append(f"{column} IN ({', '.join('?' for _ in chosen)})")
            values += chosen
    return " OR ".join(words), values


def _compared(column: str, condition: Condition, chosen: Sequence[Any], values: list[Any]) -> str:
    if condition.bounds:
        values += [limit for _, limit in condition.bounds]
        return (
            "(" + " AND ".join(f"{column} {_SIGNS[bound]} ?" for bound, _ in condition.bounds) + ")"
        )
    values += chosen
    return f"{column} IN ({', '.join('?' for _ in chosen)})"
