"""From a file somebody hands over to columns of text or typed values, with field-level problems.

Korean ERP exports come as CP949 as often as UTF-8, separated by comma, semicolon or tab, with
Korean or English headings. All of that is read; what is not understood is refused by row, column
and value.
"""

import codecs
import io
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import BinaryIO, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from predictions.engine.problems import ProblemList
from predictions.engine.routing.problems import (
    CellProblem,
    EmptyTable,
    HeaderProblem,
    RoutingProblem,
    TooLarge,
    UnreadableTable,
)
from predictions.engine.routing.schema import Column
from predictions.engine.textfile import BINARY, PARQUET_MARK, PROBE_BYTES, is_binary

Source: TypeAlias = str | Path | BinaryIO

_DELIMITERS = (",", ";", "\t")
#: Rows of wrong length after which reading stops; ours.
MOST_RAGGED = 10_000
#: Characters of a cell in Parquet, and bytes of a header; ours, far above what the schema allows.
LONGEST_CELL = 4_000
LONGEST_HEADER = 1 << 16
#: First row of data as an editor counts lines.
CSV_FIRST_ROW = 2
PARQUET_FIRST_ROW = 1


@dataclass(frozen=True)
class SourceInfo:
    """How a table was read."""

    format: str
    encoding: str = ""
    delimiter: str = ""
    absent_columns: tuple[str, ...] = ()
    ignored_columns: tuple[str, ...] = ()
    origin: str = ""

    def to_dict(self) -> dict[str, object]:
        """Return it ready for JSON."""
        return {
            "format": self.format,
            "encoding": self.encoding,
            "delimiter": self.delimiter,
            "absent_columns": list(self.absent_columns),
            "ignored_columns": list(self.ignored_columns),
            "origin": self.origin,
        }


@dataclass(frozen=True)
class RawTable:
    """Columns under canonical names, not yet checked; rows count from `first_row`."""

    data: pa.Table
    source: SourceInfo
    first_row: int


def read_raw(source: Source, columns: Sequence[Column], *, max_rows: int) -> RawTable:
    """Read a CSV or Parquet file and match its header.

    Parameters
    ----------
    source : path or binary stream
        The file.
    columns : sequence of Column
        What may stand in it, and what must.
    max_rows : int
        Rows accepted.

    Raises
    ------
    UnreadableTable, EmptyTable, HeaderProblem, CellProblem, TooLarge
        With one problem for every finding.
    """
    blob = _content(source)
    if not blob.strip():
        raise EmptyTable([RoutingProblem("", "empty_file")])
    if blob[:4] == b"PAR1":
        raw = _parquet(blob, set(_headings(columns)), max_rows)
        info, first = SourceInfo("parquet"), PARQUET_FIRST_ROW
    else:
        raw, info = _csv(blob)
        first = CSV_FIRST_ROW
    if raw.num_rows > max_rows:
        raise TooLarge([RoutingProblem("", "too_many_rows", params={"limit": max_rows})])
    names, info = _matched(raw.column_names, columns, info)
    if raw.num_rows == 0:
        raise EmptyTable([RoutingProblem("", "no_rows")])
    kept = {name: raw.column(position) for name, position in names.items()}
    return RawTable(pa.table(kept), info, first)


def _content(source: Source) -> bytes:
    try:
        if isinstance(source, str | Path):
            return Path(source).read_bytes()
        return source.read()
    except OSError as error:
        raise _unreadable(str(error.strerror or error)) from error


def _unreadable(reason: str) -> UnreadableTable:
    return UnreadableTable([RoutingProblem("", "unreadable", params={"reason": reason})])


def _parquet(blob: bytes, wanted: Set[str], max_rows: int) -> pa.Table:
    """Read a Parquet file; a column that nobody asked for counts by its name alone.

    Text is read as a dictionary: a few bytes of a file can stand for gigabytes of it.
    """
    try:
        file = pa_parquet.ParquetFile(io.BytesIO(blob))
        if file.metadata.num_rows > max_rows:
            raise TooLarge([RoutingProblem("", "too_many_rows", params={"limit": max_rows})])
        names = file.schema_arrow.names
        texts = [field.name for field in file.schema_arrow if _is_text(field.type)]
        file = pa_parquet.ParquetFile(io.BytesIO(blob), read_dictionary=texts)
        unread = pa.nulls(file.metadata.num_rows)
        if len(set(names)) < len(names):
            return pa.table([unread] * len(names), names=names)
        read = file.read(columns=[name for name in names if _plain(name) in wanted])
        columns = {name: _cells(name, read.column(name)) for name in read.column_names}
    except (pa.ArrowNotImplementedError, pa.ArrowMemoryError) as error:
        raise _unreadable(str(error).split("\n", 1)[0][:200]) from error
    except (pa.ArrowException, OSError) as error:
        raise UnreadableTable([RoutingProblem("", "damaged_parquet")]) from error
    return pa.table({name: columns.get(name, unread) for name in names})


def _is_text(kind: pa.DataType) -> bool:
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary)
    return any(is_such(inner) for is_such in tests)


def _cells(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column without dictionary encoding; bytes become text."""
    if pa.types.is_nested(column.type):
        raise _unreadable(f"the column {name} holds {column.type}")
    if not pa.types.is_dictionary(column.type):
        return column
    for chunk in column.chunks:
        longest = 0
        if _is_text(chunk.type) and len(chunk.dictionary):
            longest = pc.max(pc.binary_length(chunk.dictionary)).as_py() or 0
        if longest > LONGEST_CELL:
            params = {"value": longest, "limit": LONGEST_CELL}
            raise CellProblem([RoutingProblem(name, "text_too_long", params=params)])
    plain = column.cast(column.type.value_type)
    return plain.cast(pa.string()) if _is_text(plain.type) else plain


def _csv(blob: bytes) -> tuple[pa.Table, SourceInfo]:
    for magic, name in ((b"PK", "a ZIP or Excel file"), (b"\xd0\xcf\x11\xe0", "an old Excel file")):
        if blob.startswith(magic):
            raise UnreadableTable([RoutingProblem("", "wrong_format", params={"value": name})])
    blob, encoding = _as_utf8(blob)
    header = blob[:LONGEST_HEADER].split(b"\n", 1)[0].decode(errors="replace")
    delimiter = max(_DELIMITERS, key=header.count)
    ragged = ProblemList()

    def note(row: pa_csv.InvalidRow) -> str:
        params = {"value": row.actual_columns, "expected": row.expected_columns}
        ragged.add(RoutingProblem("", "ragged_row", row.number, params))
        return "skip" if ragged.count < MOST_RAGGED else "error"

    names = [name.strip() for name in _header_cells(header, delimiter)]
    try:
        table = pa_csv.read_csv(
            io.BytesIO(blob),
            read_options=pa_csv.ReadOptions(
                use_threads=False, column_names=_unique(names), skip_rows=1
            ),
            parse_options=pa_csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, invalid_row_handler=note
            ),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(_unique(names), pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowException as error:
        if ragged:
            raise CellProblem(ragged.listed, n_problems=ragged.count) from error
        raise _unreadable(str(error).split("\n", 1)[0][:200]) from error
    if ragged:
        raise CellProblem(ragged.listed, n_problems=ragged.count)
    return table.rename_columns(names), SourceInfo("csv", encoding, delimiter)


def _as_utf8(blob: bytes) -> tuple[bytes, str]:
    """Return the text in UTF-8 without its mark, and how it was encoded."""
    blob = blob.removeprefix(codecs.BOM_UTF8)
    try:
        blob.decode("utf-8")
    except UnicodeDecodeError:
        pass
    else:
        return blob, "utf-8"
    try:
        return blob.decode("cp949").encode(), "cp949"
    except UnicodeDecodeError as error:
        problem = RoutingProblem("", "wrong_encoding", params={"position": error.start})
        if is_binary(blob[:PROBE_BYTES]):
            problem = RoutingProblem("", "wrong_format", params={"value": BINARY})
        if blob.endswith(PARQUET_MARK):
            problem = RoutingProblem("", "damaged_parquet")
        raise UnreadableTable([problem]) from error


def _header_cells(header: str, delimiter: str) -> list[str]:
    return [cell.strip().strip('"') for cell in header.rstrip("\r").split(delimiter)]


def _unique(names: Sequence[str]) -> list[str]:
    """Return names that differ, for the reader; repeats are reported by the header check."""
    return [f"{position}:{name}" for position, name in enumerate(names)]


def _plain(name: str) -> str:
    """Return a heading without case, spaces, underscores and hyphens."""
    return "".join(name.casefold().replace("_", " ").replace("-", " ").split())


def _matched(
    header: Sequence[str], columns: Sequence[Column], info: SourceInfo
) -> tuple[dict[str, int], SourceInfo]:
    """Return canonical name → position in the file, and what was absent or ignored."""
    known = _headings(columns)
    found: dict[str, int] = {}
    repeated: dict[str, int] = {}
    ignored: list[str] = []
    for position, heading in enumerate(header):
        name = known.get(_plain(heading))
        if name is None:
            ignored.append(heading)
        elif name in found:
            repeated[name] = repeated.get(name, 1) + 1
        else:
            found[name] = position
    problems = [
        RoutingProblem(name, "column_repeated", params={"value": count})
        for name, count in repeated.items()
    ]
    absent = [column for column in columns if column.name not in found]
    problems += [_missing(column, ignored) for column in absent if column.is_required]
    if problems:
        raise HeaderProblem(problems)
    info = SourceInfo(
        info.format,
        info.encoding,
        info.delimiter,
        tuple(column.name for column in absent),
        tuple(ignored),
    )
    return found, info


def _headings(columns: Sequence[Column]) -> Mapping[str, str]:
    return {
        _plain(heading): column.name
        for column in columns
        for heading in (column.label_ko, column.label_en, column.name)
    }


def _missing(column: Column, ignored: Sequence[str]) -> RoutingProblem:
    near = get_close_matches(column.name, ignored, n=1)
    if near:
        return RoutingProblem(column.name, "column_missing_near", params={"suggestion": near[0]})
    return RoutingProblem(column.name, "column_missing")
