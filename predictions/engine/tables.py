"""Read a user's file of shots: CSV with one or two header rows, or Parquet.

Whatever is wrong with a file is told at once: the first fifty problems with row, column, value
seen, rule and way out, and how many there are in all.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.csv as pv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from predictions.engine.cells import CellReader
from predictions.engine.features import (
    BY_NAME,
    DEFECT_FLAGS,
    FEATURE_NAMES,
    LABEL,
    METADATA,
)
from predictions.engine.headers import HeaderMatch, is_known, match
from predictions.engine.problems import EngineError, Problem, ProblemList
from predictions.engine.textfile import TextFormat, UndecodableText, sniff

#: Rows read into memory at once by `read_table`; 1,000,000 shots take about 0.5 GB.
MAX_ROWS = 1_000_000
BATCH_ROWS = 50_000
#: Bytes of text parsed at a time; about 4,000 shots per MB.
BLOCK_BYTES = 4 << 20

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


@dataclass(frozen=True)
class SourceInfo:
    """How the file was written.

    Attributes
    ----------
    format : {"csv", "parquet", "memory"}
    encoding, delimiter : str
        Empty for Parquet.
    header_rows : int
        0 for Parquet.
    ignored_columns : tuple of str
        Columns the family does not know; not kept.
    n_blank_rows : int
        Rows without any value that were passed over.
    """

    format: str
    encoding: str = ""
    delimiter: str = ""
    header_rows: int = 0
    ignored_columns: tuple[str, ...] = ()
    n_blank_rows: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the description ready for JSON."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class ShotTable:
    """Shots in canonical columns, in production order.

    Attributes
    ----------
    data : pyarrow.Table
        Metadata (text), the 30 features (float64), defect flags (int16) and the label ``defect``
        (boolean), in this order; metadata, flags and label only if the file has them.
    source : SourceInfo
        How the file was written.
    """

    data: pa.Table
    source: SourceInfo

    @property
    def n_rows(self) -> int:
        """Number of shots."""
        return int(self.data.num_rows)

    @property
    def has_labels(self) -> bool:
        """Whether every shot is labelled."""
        return LABEL in self.data.column_names and self.data[LABEL].null_count == 0

    def matrix(self) -> NDArray[np.float32]:
        """Return the features, float32 [n, 30] in the family's order, NaN where missing."""
        out = np.empty((self.n_rows, len(FEATURE_NAMES)), dtype=np.float32)
        for index, name in enumerate(FEATURE_NAMES):
            out[:, index] = self.data[name].to_numpy()
        return out

    def labels(self) -> NDArray[np.bool_] | None:
        """Return whether each shot is defective, bool [n]; None unless every shot is labelled."""
        if not self.has_labels:
            return None
        return np.asarray(self.data[LABEL].to_numpy(), dtype=bool)

    def metadata(self, name: str) -> list[str | None] | None:
        """Return one metadata column as text, or None when the file has none of that name."""
        if name not in METADATA or name not in self.data.column_names:
            return None
        column: list[str | None] = self.data[name].to_pylist()
        return column

    def take(self, indices: NDArray[np.intp]) -> "ShotTable":
        """Return the shots at the given positions, in the given order."""
        return ShotTable(self.data.take(pa.array(indices)), self.source)

    def schema(self) -> list[dict[str, str]]:
        """Return name, role, type, unit and labels of every column, ready for JSON."""
        return [_described(name, str(self.data.schema.field(name).type)) for name in self.names]

    @property
    def names(self) -> list[str]:
        """Column names in canonical order."""
        return list(self.data.column_names)


def _described(name: str, dtype: str) -> dict[str, str]:
    row = {"name": name, "dtype": dtype, "role": _role(name), "unit": ""}
    if name not in BY_NAME:
        return row
    feature = BY_NAME[name]
    labels = {"label_en": feature.label_en, "label_ko": feature.label_ko}
    return {**row, "unit": feature.unit, "group": feature.group, **labels}


def _role(name: str) -> str:
    if name in BY_NAME:
        return "feature"
    if name == LABEL:
        return "label"
    return "flag" if name in DEFECT_FLAGS else "metadata"


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
    batches: list[ShotTable] = []
    n_rows = 0
    with _opened(source) as stream:
        for batch in _batches(stream, found, BATCH_ROWS, options):
            n_rows += batch.n_rows
            if n_rows > max_rows:
                raise TooLarge([Problem("", "too_many_rows", None, {"limit": f"{max_rows:,}"})])
            batches.append(batch)
    _refuse(found)
    if not n_rows:
        raise EmptyTable([Problem("", "no_rows")])
    data = pa.concat_tables([batch.data for batch in batches]).combine_chunks()
    return ShotTable(data, batches[-1].source)


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
        for batch in _batches(stream, found, batch_rows, options):
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
        raise UnreadableTable([_unreadable(exc.strerror or str(exc))]) from exc
    with stream:
        yield stream


def _unreadable(reason: object) -> Problem:
    text = " ".join(str(reason).split()).rstrip(".")
    return Problem("", "unreadable", None, {"reason": text[:200]})


def _batches(
    stream: BinaryIO, found: ProblemList, batch_rows: int, options: Mapping[str, bool]
) -> Iterator[ShotTable]:
    head = stream.read(4)
    stream.seek(0)
    if not head:
        raise EmptyTable([Problem("", "empty_file")])
    if head in {b"PAR1", b"PARE"}:
        return _parquet_batches(stream, found, batch_rows, options)
    for mark, name in _FOREIGN.items():
        if head.startswith(mark):
            raise UnreadableTable([Problem("", "wrong_format", None, {"value": name})])
    return _text_batches(stream, found, batch_rows, options)


def _matched(names: tuple[str, ...], options: Mapping[str, bool]) -> HeaderMatch:
    header = match(names, require_label=options["require_label"])
    if header.problems:
        raise HeaderProblem(header.problems)
    return header


def _text_batches(
    stream: BinaryIO, found: ProblemList, batch_rows: int, options: Mapping[str, bool]
) -> Iterator[ShotTable]:
    layout = _layout(stream)
    header = _matched(layout.names, options)
    cells = CellReader(found, decimal_comma=layout.delimiter == ";", **options)
    ragged: list[int] = []
    n_blank = 0
    next_row = layout.header_rows + 1
    for batch in _text_reader(stream, layout, header, found, ragged):
        rows = _row_numbers(next_row, batch.num_rows, ragged)
        next_row += batch.num_rows
        filled = _filled(batch)
        n_blank += int(batch.num_rows - filled.size)
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
            yield ShotTable(cells.canonical(columns, rows[kept]), source)


def _layout(stream: BinaryIO) -> TextFormat:
    try:
        layout = sniff(stream, is_known)
    except UndecodableText as exc:
        params = {"position": exc.position}
        raise UnreadableTable([Problem("", "wrong_encoding", None, params)]) from exc
    if not any(name.strip() for name in layout.names):
        raise EmptyTable([Problem("", "empty_file")])
    return layout


def _text_reader(
    stream: BinaryIO,
    layout: TextFormat,
    header: HeaderMatch,
    found: ProblemList,
    ragged: list[int],
) -> Iterator[pa.RecordBatch]:
    """Yield batches of text columns under their canonical names; note rows of wrong length."""

    def note(row: pv.InvalidRow) -> str:
        ragged.append(row.number)
        params = {"value": row.actual_columns, "expected": row.expected_columns}
        found.add(Problem("", "ragged_row", row.number, params))
        return "skip"

    names = [f"column {index}" for index in range(len(layout.names))]
    for name, index in header.columns.items():
        names[index] = name
    try:
        reader = pv.open_csv(
            _KeptOpen(stream),
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
        raise UnreadableTable([_unreadable(exc)]) from exc


def _row_numbers(first: int, n_rows: int, ragged: list[int]) -> NDArray[np.int64]:
    """Return the line of each row read, counting the rows of wrong length that were left out."""
    rows = np.arange(first, first + n_rows, dtype=np.int64)
    for line in ragged:
        rows += rows >= line
    return rows


def _filled(batch: pa.RecordBatch) -> NDArray[np.intp]:
    """Return the positions of rows with any content among the known columns."""
    content = np.zeros(batch.num_rows, dtype=bool)
    for column in batch.columns:
        content |= np.asarray(pa.compute.not_equal(pa.compute.utf8_trim_whitespace(column), ""))
        if content.all():
            break
    return np.flatnonzero(content)


def _parquet_batches(
    stream: BinaryIO, found: ProblemList, batch_rows: int, options: Mapping[str, bool]
) -> Iterator[ShotTable]:
    try:
        file = pq.ParquetFile(_KeptOpen(stream))
        names = tuple(file.schema_arrow.names)
        header = _matched(names, options)
        cells = CellReader(found, **options)
        source = SourceInfo("parquet", ignored_columns=header.ignored)
        written = {name: names[index] for name, index in header.columns.items()}
        next_row = 1
        for batch in file.iter_batches(batch_rows, columns=list(written.values())):
            rows = np.arange(next_row, next_row + batch.num_rows, dtype=np.int64)
            next_row += batch.num_rows
            columns = {name: _plain(batch.column(column)) for name, column in written.items()}
            yield ShotTable(cells.canonical(columns, rows), source)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as exc:
        raise UnreadableTable([_unreadable(exc)]) from exc


def _plain(column: pa.Array) -> pa.Array:
    """Return a column without dictionary encoding; times and other types become text."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain(column.dictionary_decode())
    if pa.types.is_null(kind):
        return column.cast(pa.string())
    if pa.types.is_temporal(kind):
        return column.cast(pa.string())
    return column


class _KeptOpen:
    """Lends a stream to a reader that would close it."""

    closed = False
    mode = "rb"

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream

    def read(self, size: int = -1) -> bytes:
        return self.stream.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.stream.seek(offset, whence)

    def tell(self) -> int:
        return self.stream.tell()

    def close(self) -> None:
        """Leave the stream to its owner."""
