"""Item masters and routing tables, read, checked singly and against each other."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from predictions.engine.problems import Problem, ProblemList
from predictions.engine.routing.cells import arrow_type, typed
from predictions.engine.routing.problems import CellProblem, InconsistentTables, RoutingProblem
from predictions.engine.routing.reading import (
    CSV_FIRST_ROW,
    PARQUET_FIRST_ROW,
    RawTable,
    Source,
    SourceInfo,
    read_raw,
)
from predictions.engine.routing.routings import Routing, to_date
from predictions.engine.routing.schema import (
    DATA_SOURCE,
    ITEM_BY_NAME,
    ITEM_COLUMNS,
    ROUTING_COLUMNS,
    SYNTHETIC,
    Column,
)

MAX_ITEMS = 1_000_000
MAX_ROUTING_ROWS = 20_000_000

#: Column name → values of all rows: object arrays of str or None, float64 with NaN, dates as days.
Columns = Mapping[str, NDArray[np.object_] | NDArray[np.float64]]


@dataclass(frozen=True)
class ItemTable:
    """An item master with the 38 canonical columns; item codes are unique."""

    data: pa.Table
    source: SourceInfo

    @property
    def n_rows(self) -> int:
        """Number of items."""
        return int(self.data.num_rows)

    @property
    def is_synthetic(self) -> bool:
        """Whether the table says of itself that it was generated."""
        return self.source.origin.startswith(SYNTHETIC)

    def codes(self) -> list[str]:
        """Return the item codes in order of rows."""
        return [str(code) for code in self.data.column("item_code").to_pylist()]

    def columns(self) -> Columns:
        """Return every column as a NumPy array; dates as days since 1970-01-01."""
        return {column.name: _as_array(self.data, column) for column in ITEM_COLUMNS}

    def column(self, name: str) -> NDArray[np.object_] | NDArray[np.float64]:
        """Return one column as a NumPy array; dates as days since 1970-01-01."""
        return _as_array(self.data, ITEM_BY_NAME[name])

    def take(self, indices: NDArray[np.integer]) -> "ItemTable":
        """Return some of the rows, in the order given."""
        return ItemTable(self.data.take(pa.array(np.asarray(indices, dtype=np.int64))), self.source)

    def schema(self) -> list[dict[str, object]]:
        """Return the columns ready for JSON."""
        return [column.to_dict() for column in ITEM_COLUMNS]

    @classmethod
    def from_records(cls, records: Sequence[Mapping[str, object]], *, origin: str) -> "ItemTable":
        """Build from rows of named values that are known to be right, as a generator makes them."""
        arrays = {
            column.name: pa.array([row.get(column.name) for row in records], arrow_type(column))
            for column in ITEM_COLUMNS
        }
        return cls(pa.table(arrays), SourceInfo("synthetic", origin=origin))


@dataclass(frozen=True)
class RoutingTable:
    """A routing table with the canonical columns, as rows in the order of the file."""

    data: pa.Table
    source: SourceInfo

    @property
    def n_rows(self) -> int:
        """Number of routing steps."""
        return int(self.data.num_rows)

    def column(self, name: str) -> NDArray[np.object_] | NDArray[np.float64]:
        """Return one column as a NumPy array; dates as days since 1970-01-01."""
        return _as_array(self.data, next(c for c in ROUTING_COLUMNS if c.name == name))

    def schema(self) -> list[dict[str, object]]:
        """Return the columns ready for JSON."""
        return [column.to_dict() for column in ROUTING_COLUMNS]

    def of(self, codes: Sequence[str]) -> "RoutingTable":
        """Return the routings of some items."""
        chosen = pc.is_in(self.data.column("item_code"), value_set=pa.array(codes, pa.string()))
        return RoutingTable(self.data.filter(chosen), self.source)

    def primary(self) -> dict[str, Routing]:
        """Return for every item the latest version of its lowest alternate."""
        lowest: dict[str, int] = {}
        for code, alternate, _ in self.versions:
            lowest.setdefault(code, alternate)
        # Versions come by alternate, then by date: the last of the lowest wins.
        return {
            code: routing for code, alternate, routing in self.versions if lowest[code] == alternate
        }

    @cached_property
    def versions(self) -> tuple[tuple[str, int, Routing], ...]:
        """Every dated version as (item code, alternate, routing), in that order."""
        names = ("item_code", "alternate", "valid_from", "sequence")
        code, alternate, day, sequence = (self.column(name) for name in names)
        if not len(code):
            return ()
        known, code_id = np.unique(code.astype(str), return_inverse=True)
        order = np.lexsort((sequence, day, alternate, code_id))
        operation, place = self.column("operation")[order], self.column("work_center")[order]
        setup, run = self.column("setup_minutes")[order], self.column("run_minutes")[order]
        keys = np.column_stack([code_id, alternate, day])[order]
        starts = np.flatnonzero(np.r_[True, (keys[1:] != keys[:-1]).any(axis=1)])
        numbers = sequence[order].astype(int)
        found = []
        for start, stop in zip(starts, np.r_[starts[1:], len(order)], strict=True):
            part = slice(int(start), int(stop))
            routing = Routing(
                tuple(operation[part].tolist()),
                tuple(place[part].tolist()),
                setup[part].astype(np.float64),
                run[part].astype(np.float64),
                tuple(numbers[part].tolist()),
                int(keys[start, 2]),
            )
            found.append((str(known[int(keys[start, 0])]), int(keys[start, 1]), routing))
        return tuple(found)

    @classmethod
    def from_rows(cls, rows: Sequence[Sequence[object]], *, origin: str) -> "RoutingTable":
        """Build from rows in column order that are known to be right."""
        arrays = {
            column.name: pa.array([row[position] for row in rows], arrow_type(column))
            for position, column in enumerate(ROUTING_COLUMNS)
        }
        return cls(pa.table(arrays), SourceInfo("synthetic", origin=origin))


def read_items(source: Source, *, max_rows: int = MAX_ITEMS) -> ItemTable:
    """Read an item master from CSV or Parquet.

    Parameters
    ----------
    source : path or binary stream
        Needs columns item_code and item_name; the other 36 may be absent and are null then.
    max_rows : int
        Items accepted.

    Raises
    ------
    TableError
        Its subclasses name file, header or cells that break a rule.
    """
    raw = read_raw(source, (*ITEM_COLUMNS, DATA_SOURCE), max_rows=max_rows)
    data = typed(raw, ITEM_COLUMNS)
    repeated = _repeated(data.column("item_code").to_pylist(), raw.first_row)
    if repeated:
        raise CellProblem(repeated.listed, n_problems=repeated.count)
    absent = tuple(name for name in raw.source.absent_columns if name != DATA_SOURCE.name)
    info = dataclasses.replace(raw.source, absent_columns=absent, origin=_origin(raw))
    return ItemTable(data, info)


def read_routings(source: Source, *, max_rows: int = MAX_ROUTING_ROWS) -> RoutingTable:
    """Read a routing table from CSV or Parquet; every column is required.

    Raises
    ------
    TableError
        Its subclasses name file, header or cells that break a rule: negative times among them.
    """
    raw = read_raw(source, ROUTING_COLUMNS, max_rows=max_rows)
    return RoutingTable(typed(raw, ROUTING_COLUMNS), raw.source)


def _origin(raw: RawTable) -> str:
    """Return what a file says of where its items come from, what is generated first."""
    if DATA_SOURCE.name not in raw.data.column_names:
        return ""
    said = pc.unique(raw.data.column(DATA_SOURCE.name).cast(pa.string())).to_pylist()
    words = sorted(str(word).strip()[: DATA_SOURCE.max_length] for word in said if word)
    return next((word for word in words if word.startswith(SYNTHETIC)), "")


def cross_check(items: ItemTable, routings: RoutingTable) -> tuple[Problem, ...]:
    """Check both tables together.

    Parameters
    ----------
    items, routings : ItemTable, RoutingTable
        Both read without problems.

    Returns
    -------
    tuple of Problem
        What to look at but may stay: steps out of order, items without a routing (the first of
        them).

    Raises
    ------
    InconsistentTables
        Routings of unknown items, or a sequence number given twice within one version.
    """
    first = PARQUET_FIRST_ROW if routings.source.format == "parquet" else CSV_FIRST_ROW
    wrong, odd = ProblemList(), ProblemList()
    code = routings.column("item_code")
    known = np.isin(code.astype(str), np.array(items.codes()))
    for position in np.flatnonzero(~known)[: wrong.room]:
        params = {"value": code[position]}
        wrong.add(RoutingProblem("item_code", "item_unknown", int(position) + first, params))
    wrong.skip(int((~known).sum()) - wrong.count)
    _check_sequences(routings, first, wrong, odd)
    if wrong:
        raise InconsistentTables(wrong.listed, n_problems=wrong.count)
    planned = set(code.tolist())
    for item in items.codes():
        if item not in planned:
            odd.add(RoutingProblem("item_code", "item_without_routing", None, {"value": item}))
    return tuple(odd.listed)


def _check_sequences(
    routings: RoutingTable, first: int, wrong: ProblemList, odd: ProblemList
) -> None:
    """Note sequence numbers that repeat, and steps that stand before an earlier one."""
    names = ("item_code", "alternate", "valid_from", "sequence")
    code, alternate, day, sequence = (routings.column(name) for name in names)
    code_id = np.unique(code.astype(str), return_inverse=True)[1]
    keys = np.column_stack([code_id, alternate, day])
    rows = np.arange(len(code))
    by_file = np.lexsort((rows, day, alternate, code_id))
    same = (keys[by_file][1:] == keys[by_file][:-1]).all(axis=1)
    numbers = sequence[by_file]
    for at in np.flatnonzero(same & (numbers[1:] < numbers[:-1])):
        row, before = by_file[at + 1], by_file[at]
        params = _step_params(routings, int(row)) | {"previous": f"{sequence[before]:g}"}
        odd.add(RoutingProblem("sequence", "sequence_not_ascending", int(row) + first, params))
    by_number = np.lexsort((rows, sequence, day, alternate, code_id))
    full = np.column_stack([keys, sequence])[by_number]
    for at in np.flatnonzero((full[1:] == full[:-1]).all(axis=1)):
        row = int(by_number[at + 1])
        params = _step_params(routings, row)
        wrong.add(RoutingProblem("sequence", "sequence_repeated", row + first, params))


def _step_params(routings: RoutingTable, row: int) -> dict[str, object]:
    return {
        "item": routings.column("item_code")[row],
        "alternate": f"{routings.column('alternate')[row]:g}",
        "value": f"{routings.column('sequence')[row]:g}",
        "valid_from": to_date(routings.column("valid_from")[row]).isoformat(),
    }


def _repeated(codes: Sequence[str], first_row: int) -> ProblemList:
    found = ProblemList()
    seen: set[str] = set()
    for position, code in enumerate(codes):
        if code in seen:
            params = {"value": code}
            found.add(RoutingProblem("item_code", "code_repeated", position + first_row, params))
        seen.add(code)
    return found


def _as_array(data: pa.Table, column: Column) -> NDArray[np.object_] | NDArray[np.float64]:
    cells = data.column(column.name)
    if column.kind == "number":
        return np.asarray(cells.to_numpy(), dtype=np.float64)
    if column.kind == "date":
        days = cells.cast(pa.int32()).cast(pa.float64())
        return np.asarray(days.to_numpy(), dtype=np.float64)
    return np.array(cells.to_pylist(), dtype=object)
