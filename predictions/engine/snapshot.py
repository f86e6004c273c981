"""Gather the latest labelled shots of many tables into one, in order of time and bounded memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from predictions.engine.features import FEATURE_NAMES, LABEL, METADATA

#: What DuckDB may hold before it writes to its temporary folder; ours.
MEMORY_MIB = 384
_COLUMNS = {
    **dict.fromkeys(METADATA, "VARCHAR"),
    **dict.fromkeys(FEATURE_NAMES, "DOUBLE"),
    LABEL: "BOOLEAN",
}


@dataclass(frozen=True)
class Source:
    """One table of labelled shots.

    Attributes
    ----------
    path : Path
        Parquet in canonical columns; those it lacks are empty.
    known_at : datetime
        When its shots were known; counts for those that do not say when they were made.
    """

    path: Path
    known_at: datetime


def gather(
    sources: Sequence[Source], target: Path, *, max_rows: int, scratch: Path, zone: str = "UTC"
) -> int:
    """Write the latest rows of all sources, the oldest first, and return how many there are.

    Parameters
    ----------
    sources
        In order: of shots made at the same moment those of a later source, and of a later row,
        are the later ones.
    target
        Where the Parquet file goes.
    max_rows
        So many at most.
    scratch
        An empty folder for what does not fit into memory.
    zone
        Time zone of a moment that names none; IANA name.

    Returns
    -------
    int
        Rows written.
    """
    config: dict[str, str | bool | int | float | list[str]] = {
        "threads": 1,
        "memory_limit": f"{MEMORY_MIB}MB",
        "temp_directory": str(scratch),
        "autoinstall_known_extensions": "false",
    }
    with duckdb.connect(config=config) as connection:
        connection.execute("SET TimeZone = $zone", {"zone": zone})
        parts = [_labelled(connection, number, source) for number, source in enumerate(sources)]
        latest = reduce(lambda one, other: one.union(other), parts)
        latest = latest.order("made_s DESC, source DESC, row DESC").limit(max_rows)
        ordered = latest.order("made_s, source, row").project(", ".join(map(_quoted, _COLUMNS)))
        ordered.write_parquet(str(target), compression="zstd")
    return int(pq.read_metadata(target).num_rows)


def _labelled(
    connection: duckdb.DuckDBPyConnection, number: int, source: Source
) -> duckdb.DuckDBPyRelation:
    """Return the labelled rows of one source in canonical columns, with their place in time."""
    rows = connection.read_parquet(str(source.path), file_row_number=True)
    there = set(rows.columns)
    columns = [
        f"CAST({_quoted(name) if name in there else 'NULL'} AS {kind}) AS {_quoted(name)}"
        for name, kind in _COLUMNS.items()
    ]
    known_s = repr(source.known_at.timestamp())
    made = 'epoch(TRY_CAST("Made_At" AS TIMESTAMPTZ))' if "Made_At" in there else "NULL"
    place = [
        f"CAST(coalesce({made}, {known_s}) AS DOUBLE) AS made_s",
        f"{number} AS source",
        "file_row_number AS row",
    ]
    return rows.filter(f"{_quoted(LABEL)} IS NOT NULL").project(", ".join([*columns, *place]))


def _quoted(name: str) -> str:
    return f'"{name}"'
