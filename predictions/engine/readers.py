"""Read batches of shots from text and Parquet streams, and say what is wrong with them."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import BinaryIO, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from predictions.engine.cells import CellReader
from predictions.engine.headers import HeaderMatch, is_known, match
from predictions.engine.lending import KeptOpen
from predictions.engine.problems import EngineError, Problem, ProblemList
from predictions.engine.shot_table import ShotTable, SourceInfo
from predictions.engine.textfile import (
    BINARY,
    TextFormat,
    UndecodableText,
    is_headless_parquet,
    sniff,
)

#: Bytes of text parsed at a time, about 5,000 shots. Arrow reads some thirty blocks ahead, so this
#: decides how much of a large file lies in memory.
BLOCK_BYTES = 1 << 20
#: Rows of wrong length after which reading stops: ours; a file with more is no table of shots.
MOST_RAGGED = 10_000
#: Rows without content: ours; spreadsheets write many behind the last shot.
MOST_BLANK = 1_000_000
#: Characters of a cell in Parquet. Ours: a few bytes of a file can stand for gigabytes of text.
LONGEST_CELL = 256

Wanted = Callable[[tuple[str, ...]], HeaderMatch]

_FOREIGN = {
    b"PK\x03\x04": "an Excel workbook or ZIP archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x1f\x8b": "a gzip archive",
    b"%PDF": "a PDF document",
    b"SQLi": "a SQLite database",
}


class TableError(EngineError):
    """The file cannot become a table of shots."""

    code: ClassVar[str] = "bad_table"


class UnreadableTable(TableError):
    """Not a text or Parquet file, damaged, or in an unknown encoding."""

    code: ClassVar[str] = "unreadable_table"


class EmptyTable(TableError):
    """No header or no shots."""

    code: ClassVar[str] = "empty_table"


class TooLarge(TableError):
    """More rows than are read at once."""

    code: ClassVar[str] = "table_too_large"


class HeaderProblem(TableError):
    """Columns are missing or occur twice."""

    code: ClassVar[str] = "bad_header"


class CellProblem(TableError):
    """Rows or cells break a rule."""

    code: ClassVar[str] = "bad_cells"


def unreadable(reason: object) -> Problem:
    text = " ".join(str(reason).split()).rstrip(".")
    return Problem("", "unreadable", None, {"reason": text[:200]})


def _damaged_parquet() -> UnreadableTable:
    return UnreadableTable([Problem("", "damaged_parquet")])


def too_many(max_rows: int) -> TooLarge:
    """Return the error for a file of more rows than are read at once."""
    return TooLarge([Problem("", "too_many_rows", None, {"limit": f"{max_rows:,}"})])


@dataclass(frozen=True, eq=False)
class RawPart:
    """Some rows of a file as they stand in it.

    Attributes
    ----------
    columns : dict of canonical name to Arrow array, each of length n
        Text from CSV, any type from Parquet.
    rows : int64 array, shape [n]
        Line of each row in a text file (header included, from 1); in Parquet the row from 1.
    source : SourceInfo
    decimal_comma : bool
        Whether ``0,144`` means 0.144.
    """

    columns: dict[str, pa.Array]
    rows: NDArray[np.int64]
    source: SourceInfo
    decimal_comma: bool = False


def batches(
    stream: BinaryIO,
    found: ProblemList,
    batch_rows: int,
    options: Mapping[str, bool],
    max_rows: int | None = None,
) -> Iterator[ShotTable]:
    """Read a file part by part.

    Parameters
    ----------
    stream
        CSV or Parquet, seekable.
    found
        Takes the problems of rows and cells.
    batch_rows
        Greatest number of rows in a part.
    options
        ``require_label`` and ``check_ranges``.
    max_rows
        A file that says in advance that it holds more is not begun.
    """
    ragged: list[Problem] = []
    n_told = 0
    require_label = options["require_label"]
    for part in raw_parts(
        stream, ragged, batch_rows, require_label=require_label, max_rows=max_rows
    ):
        for problem in ragged[n_told:]:
            found.add(problem)
        n_told = len(ragged)
        cells = CellReader(found, decimal_comma=part.decimal_comma, **options)
        try:
            table = cells.canonical(part.columns, part.rows)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as exc:
            raise UnreadableTable([unreadable(exc)]) from exc
        yield ShotTable(table, part.source)
    for problem in ragged[n_told:]:
        found.add(problem)


def raw_parts(
    stream: BinaryIO,
    ragged: list[Problem],
    batch_rows: int,
    *,
    require_label: bool = False,
    only: Collection[str] | None = None,
    max_rows: int | None = None,
) -> Iterator[RawPart]:
    """Read the cells of a file part by part, whatever stands in them.

    Parameters
    ----------
    stream
        CSV or Parquet, seekable.
    ragged
        Takes a problem for each row of the wrong length, which is left out, before a part comes
        that holds a later row.
    batch_rows
        Greatest number of rows in a part.
    require_label
        Whether a file without any label column is refused.
    only
        Canonical names of the columns that are read; by default all that the family knows.
    max_rows
        A file that says in advance that it holds more is not begun.

    Raises
    ------
    UnreadableTable, EmptyTable, HeaderProblem, CellProblem, TooLarge
        When the file is no table of shots.
    """
    head = stream.read(4)
    stream.seek(0)
    if not head:
        raise EmptyTable([Problem("", "empty_file")])
    wanted = partial(_matched, require_label=require_label, only=only)
    if head in {b"PAR1", b"PARE"}:
        return _parquet_parts(stream, batch_rows, wanted, max_rows)
    for mark, name in _FOREIGN.items():
        if head.startswith(mark):
            raise UnreadableTable([Problem("", "wrong_format", None, {"value": name})])
    return _text_parts(stream, ragged, batch_rows, wanted)


def _matched(
    names: tuple[str, ...], *, require_label: bool, only: Collection[str] | None
) -> HeaderMatch:
    header = match(names, require_label=require_label)
    if header.problems:
        raise HeaderProblem(header.problems)
    if only is None:
        return header
    columns = {name: index for name, index in header.columns.items() if name in only}
    return replace(header, columns=columns)


def _text_parts(
    stream: BinaryIO, ragged: list[Problem], batch_rows: int, wanted: Wanted
) -> Iterator[RawPart]:
    layout = _layout(stream)
    header = wanted(layout.names)
    n_blank = 0
    next_row = layout.header_rows + 1
    for batch in _text_reader(stream, layout, header, ragged):
        rows = _row_numbers(next_row, batch.num_rows, ragged)
        next_row += batch.num_rows
        filled = _filled(batch)
        n_blank += int(batch.num_rows - filled.size)
        if n_blank > MOST_BLANK:
            raise too_many(MOST_BLANK)
        source = SourceInfo(
            "csv",
            layout.encoding,
            layout.delimiter,
            layout.header_rows,
            header.ignored,
            n_blank,
        )
        for start in range(0, max(1, filled.size), batch_rows):
            kept = filled[start : start + batch_rows]
            columns = {name: batch.column(name).take(pa.array(kept)) for name in header.columns}
            yield RawPart(columns, rows[kept], source, layout.delimiter == ";")


def _layout(stream: BinaryIO) -> TextFormat:
    try:
        layout = sniff(stream, is_known)
    except UndecodableText as exc:
        problem = Problem("", "wrong_encoding", None, {"position": exc.position})
        if exc.is_binary:
            problem = Problem("", "wrong_format", None, {"value": BINARY})
        if is_headless_parquet(stream):
            raise _damaged_parquet() from exc
        raise UnreadableTable([problem]) from exc
    if not any(name.strip() for name in layout.names):
        raise EmptyTable([Problem("", "empty_file")])
    return layout


def _text_reader(
    stream: BinaryIO,
    layout: TextFormat,
    header: HeaderMatch,
    ragged: list[Problem],
) -> Iterator[pa.RecordBatch]:
    """Yield batches of text columns under their canonical names; note rows of wrong length."""

    def note(row: pv.InvalidRow) -> str:
        params = {"value": row.actual_columns, "expected": row.expected_columns}
        ragged.append(Problem("", "ragged_row", row.number, params))
        return "skip" if len(ragged) < MOST_RAGGED else "error"

    names = [f"column {index}" for index in range(len(layout.names))]
    for name, index in header.columns.items():
        names[index] = name
    try:
        reader = pv.open_csv(
            KeptOpen(stream),
            read_options=pv.ReadOptions(
                use_threads=False,
                skip_rows=layout.header_rows,
                column_names=names,
                encoding=layout.encoding,
                block_size=BLOCK_BYTES,
            ),
            parse_options=pv.ParseOptions(
                delimiter=layout.delimiter, invalid_row_handler=note, ignore_empty_lines=False
            ),
            convert_options=pv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                include_columns=list(header.columns),
                strings_can_be_null=False,
            ),
        )
        yield from reader
    except pa.ArrowInvalid as exc:
        if "Could not skip initial" in str(exc):
            raise EmptyTable([Problem("", "no_rows")]) from exc
        if len(ragged) >= MOST_RAGGED:
            raise CellProblem(ragged) from exc
        raise UnreadableTable([unreadable(exc)]) from exc


def _row_numbers(first: int, n_rows: int, ragged: list[Problem]) -> NDArray[np.int64]:
    """Return the line of each row read, counting the rows of wrong length that were left out."""
    rows = np.arange(first, first + n_rows, dtype=np.int64)
    # The k-th row left out moves every row that would, without the k before it, stand behind it.
    left_out = np.array([problem.row for problem in ragged], dtype=np.int64)
    behind = left_out - np.arange(len(ragged))
    return rows + np.searchsorted(behind, rows, side="right")


def _filled(batch: pa.RecordBatch) -> NDArray[np.intp]:
    """Return the positions of rows with any content among the known columns."""
    content = np.zeros(batch.num_rows, dtype=bool)
    for column in batch.columns:
        content |= np.asarray(pc.not_equal(pc.utf8_trim_whitespace(column), ""))
        if content.all():
            break
    return np.flatnonzero(content)


def _parquet_parts(
    stream: BinaryIO, batch_rows: int, wanted: Wanted, max_rows: int | None
) -> Iterator[RawPart]:
    try:
        file = _parquet_file(stream, max_rows)
        names = tuple(file.schema_arrow.names)
        header = wanted(names)
        source = SourceInfo("parquet", ignored_columns=header.ignored)
        written = {name: names[index] for name, index in header.columns.items()}
        next_row = 1
        for batch in file.iter_batches(batch_rows, columns=list(written.values())):
            rows = np.arange(next_row, next_row + batch.num_rows, dtype=np.int64)
            next_row += batch.num_rows
            columns = {name: _plain(name, batch.column(column)) for name, column in written.items()}
            yield RawPart(columns, rows, source)
    except (pa.ArrowInvalid, OSError) as exc:
        raise _damaged_parquet() from exc
    except (pa.ArrowNotImplementedError, pa.ArrowMemoryError) as exc:
        raise UnreadableTable([unreadable(exc)]) from exc


def _parquet_file(stream: BinaryIO, max_rows: int | None) -> pq.ParquetFile:
    """Open a file so that repeated text is not written out again and again while it is read."""
    file = pq.ParquetFile(KeptOpen(stream))
    if max_rows is not None and file.metadata.num_rows > max_rows:
        raise too_many(max_rows)
    texts = [field.name for field in file.schema_arrow if _is_text(field.type)]
    return pq.ParquetFile(KeptOpen(stream), read_dictionary=texts)


def n_parquet_rows(stream: BinaryIO) -> int:
    """Return how many rows a Parquet file says that it holds.

    Raises
    ------
    UnreadableTable
        When it is damaged.
    """
    try:
        return int(pq.ParquetFile(KeptOpen(stream)).metadata.num_rows)
    except (pa.ArrowInvalid, OSError) as exc:
        raise _damaged_parquet() from exc


def _is_text(kind: pa.DataType) -> bool:
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary)
    return any(is_such(inner) for is_such in tests)


def _plain(name: str, column: pa.Array) -> pa.Array:
    """Return a column without dictionary encoding; times and other types become text."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        _check_length(name, column.dictionary)
        return _plain(name, column.dictionary_decode())
    if pa.types.is_null(kind):
        return column.cast(pa.string())
    if pa.types.is_temporal(kind):
        return column.cast(pa.string())
    return column


def _check_length(name: str, words: pa.Array) -> None:
    longest = pc.max(pc.binary_length(words)).as_py() if _is_text(words.type) else 0
    if (longest or 0) > LONGEST_CELL:
        params = {"value": longest, "limit": LONGEST_CELL}
        raise CellProblem([Problem(name, "cell_too_long", None, params)])
