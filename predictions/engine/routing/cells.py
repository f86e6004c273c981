"""Cells to typed columns, whole columns at a time; every cell that breaks a rule is named."""

import pyarrow as pa
import pyarrow.compute as pc

from predictions.engine.problems import ProblemList, shown
from predictions.engine.routing.problems import CellProblem, RoutingProblem
from predictions.engine.routing.reading import RawTable
from predictions.engine.routing.schema import Column

#: Cells that say "empty" in exports.
EMPTY = ("", "-", "NA", "N/A", "n/a", "NULL", "null", "None", "NaN", "nan", "#N/A")
_NUMBER = r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?$"
#: Digits grouped by thousands, as spreadsheets export them.
_GROUPED = r"^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$"
_DAY = r"^\d{4}[-./]?\d{2}[-./]?\d{2}([ T]00:00(:00(\.0+)?)?)?$"
_TYPES = {"number": pa.float64(), "date": pa.date32()}


def typed(raw: RawTable, columns: tuple[Column, ...]) -> pa.Table:
    """Return a table with every column of the schema, checked.

    Columns the file does not have are all null.

    Raises
    ------
    CellProblem
        Naming row, column and value of the first findings and counting all.
    """
    found = ProblemList()
    arrays: dict[str, pa.Array] = {}
    for column in columns:
        if column.name not in raw.data.column_names:
            arrays[column.name] = pa.nulls(raw.data.num_rows, arrow_type(column))
            continue
        cells = raw.data.column(column.name).combine_chunks()
        arrays[column.name] = _Reader(column, raw.first_row, found).read(cells)
    if found:
        raise CellProblem(found.listed, n_problems=found.count)
    return pa.table(arrays)


def arrow_type(column: Column) -> pa.DataType:
    """Return the type in which a column is kept."""
    return _TYPES.get(column.kind, pa.string())


class _Reader:
    """Reads one column and notes its problems."""

    def __init__(self, column: Column, first_row: int, found: ProblemList) -> None:
        self._column = column
        self._first_row = first_row
        self._found = found

    def read(self, cells: pa.Array) -> pa.Array:
        """Return the typed column; cells with problems are null."""
        if isinstance(cells, pa.ChunkedArray):
            cells = cells.combine_chunks()
        if self._column.kind == "number":
            values = self._number(cells)
        elif self._column.kind == "date":
            values = self._date(cells)
        else:
            values = self._text(cells)
        if self._column.is_required:
            self._report(pc.is_null(_emptied(cells)), cells, "cell_missing")
        return values

    def _text(self, cells: pa.Array) -> pa.Array:
        values = _emptied(cells)
        too_long = pc.greater(pc.utf8_length(values), self._column.max_length)
        lengths = pc.utf8_length(values)
        self._report(too_long, lengths, "cell_too_long", limit=self._column.max_length)
        return values

    def _number(self, cells: pa.Array) -> pa.Array:
        if pa.types.is_integer(cells.type) or pa.types.is_floating(cells.type):
            values = cells.cast(pa.float64(), safe=False)
            values = pc.if_else(pc.is_nan(values), pa.scalar(None, pa.float64()), values)
        else:
            values = self._parsed(cells)
        return self._in_range(values)

    def _parsed(self, cells: pa.Array) -> pa.Array:
        texts = _emptied(cells)
        grouped = pc.match_substring_regex(texts, _GROUPED)
        texts = pc.if_else(grouped, pc.replace_substring(texts, ",", ""), texts)
        is_number = pc.match_substring_regex(texts, _NUMBER)
        self._report(pc.invert(is_number), cells, "cell_not_a_number")
        return pc.if_else(is_number, texts, pa.scalar(None, pa.string())).cast(pa.float64())

    def _in_range(self, values: pa.Array) -> pa.Array:
        column = self._column
        if column.low is not None and column.high is not None:
            outside = pc.or_(pc.less(values, column.low), pc.greater(values, column.high))
            limits = {"unit": column.unit, "low": f"{column.low:g}", "high": f"{column.high:g}"}
            self._report(outside, values, "cell_out_of_range", **limits)
        if column.is_whole:
            self._report(pc.not_equal(values, pc.floor(values)), values, "cell_not_whole")
        return values

    def _date(self, cells: pa.Array) -> pa.Array:
        if pa.types.is_date(cells.type) or pa.types.is_timestamp(cells.type):
            return cells.cast(pa.date32(), safe=False)
        texts = _emptied(cells)
        looks_right = pc.match_substring_regex(texts, _DAY)
        digits = pc.utf8_slice_codeunits(pc.replace_substring_regex(texts, "[^0-9]", ""), 0, 8)
        stamps = pc.strptime(digits, format="%Y%m%d", unit="s", error_is_null=True)
        # strptime carries 31 February over into March: only what reads back the same is a date.
        is_real = pc.fill_null(pc.equal(pc.strftime(stamps, format="%Y%m%d"), digits), False)
        is_date = pc.and_(looks_right, is_real)
        self._report(pc.invert(is_date), cells, "cell_not_a_date")
        return pc.if_else(is_date, stamps.cast(pa.date32()), pa.scalar(None, pa.date32()))

    def _report(self, wrong: pa.Array, seen: pa.Array, code: str, **params: object) -> None:
        """Note every cell marked wrong; null counts as right."""
        positions = pc.indices_nonzero(pc.fill_null(wrong, False))
        room = self._found.room
        for position in positions[:room].to_pylist():
            value = {} if code == "cell_missing" else {"value": _shown(seen[position].as_py())}
            row = position + self._first_row
            self._found.add(RoutingProblem(self._column.name, code, row, {**value, **params}))
        self._found.skip(max(len(positions) - room, 0))


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else shown(value)


def _emptied(cells: pa.Array) -> pa.Array:
    """Return cells as trimmed text, with null for what says "empty"."""
    texts = pc.utf8_trim_whitespace(cells.cast(pa.string()))
    is_empty = pc.is_in(texts, value_set=pa.array(EMPTY, pa.string()))
    return pc.if_else(is_empty, pa.scalar(None, pa.string()), texts)
