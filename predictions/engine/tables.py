"""Read a user's file of shots: CSV with one or two header rows, or Parquet.

Whatever is wrong with a file is told at once: the first fifty problems with row, column, value
seen, rule and way out, and how many there are in all.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from predictions.engine.problems import Problem, ProblemList
from predictions.engine.readers import (
    CellProblem,
    EmptyTable,
    HeaderProblem,
    TableError,
    TooLarge,
    UnreadableTable,
    batches,
    too_many,
    unreadable,
)
from predictions.engine.shot_table import ShotTable, SourceInfo

__all__ = [
    "CellProblem",
    "EmptyTable",
    "HeaderProblem",
    "ShotTable",
    "SourceInfo",
    "TableError",
    "TooLarge",
    "UnreadableTable",
    "iter_tables",
    "read_table",
    "write_parquet",
]

#: Rows read into memory at once by `read_table`; 1,000,000 shots take about 0.5 GB.
MAX_ROWS = 1_000_000
BATCH_ROWS = 50_000


def read_table(
    source: str | Path | BinaryIO,
    *,
    require_label: bool = False,
    check_ranges: bool = True,
    max_rows: int = MAX_ROWS,
) -> ShotTable:
    """Read a whole file.

    Parameters
    ----------
    source : path or seekable binary file
        CSV (UTF-8, CP949, or UTF-16 with a mark; comma, semicolon, tab or bar; one or two header
        rows) or Parquet. A file object stays open.
    require_label : bool
        Whether every shot needs a label, as training does.
    check_ranges : bool
        Whether values outside the family's plausible ranges are refused.
    max_rows : int
        More rows are refused; larger files go through `iter_tables`.

    Returns
    -------
    ShotTable

    Raises
    ------
    UnreadableTable, EmptyTable, HeaderProblem, CellProblem, TooLarge
        With every problem of the file that can be told apart.
    """
    found = ProblemList()
    options = {"require_label": require_label, "check_ranges": check_ranges}
    parts: list[ShotTable] = []
    n_rows = 0
    with _opened(source) as stream:
        for batch in batches(stream, found, BATCH_ROWS, options, max_rows):
            n_rows += batch.n_rows
            if n_rows > max_rows:
                raise too_many(max_rows)
            parts.append(batch)
    _refuse(found)
    if not n_rows:
        raise EmptyTable([Problem("", "no_rows")])
    data = pa.concat_tables([part.data for part in parts]).combine_chunks()
    return ShotTable(data, parts[-1].source)


def iter_tables(
    source: str | Path | BinaryIO,
    *,
    batch_rows: int = BATCH_ROWS,
    require_label: bool = False,
    check_ranges: bool = True,
) -> Iterator[ShotTable]:
    """Read a file of any length in bounded memory, part by part.

    Parameters
    ----------
    source, require_label, check_ranges
        As in `read_table`.
    batch_rows : int
        Greatest number of shots in a part.

    Yields
    ------
    ShotTable
        Non-empty, in file order.

    Raises
    ------
    UnreadableTable, EmptyTable, HeaderProblem, CellProblem
        CellProblem as soon as a part has problems, with all the problems of that part.
    """
    found = ProblemList()
    options = {"require_label": require_label, "check_ranges": check_ranges}
    is_empty = True
    with _opened(source) as stream:
        for batch in batches(stream, found, batch_rows, options):
            _refuse(found)
            if batch.n_rows:
                is_empty = False
                yield batch
    _refuse(found)
    if is_empty:
        raise EmptyTable([Problem("", "no_rows")])


def write_parquet(table: ShotTable, path: str | Path) -> None:
    """Write a table as Parquet (Zstandard), readable by `read_table` with the same fingerprint."""
    pq.write_table(table.data, path, compression="zstd")


def _refuse(found: ProblemList) -> None:
    if found:
        raise CellProblem(found.listed, n_problems=found.count)


@contextmanager
def _opened(source: str | Path | BinaryIO) -> Iterator[BinaryIO]:
    if not isinstance(source, str | Path):
        source.seek(0)
        yield source
        return
    try:
        stream = Path(source).open("rb")  # noqa: SIM115 - closed by the with below
    except OSError as exc:
        raise UnreadableTable([unreadable(exc.strerror or str(exc))]) from exc
    with stream:
        yield stream
