"""The quality profile of an item master with its routings: what to know before trusting them."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from predictions.engine.problems import Problem
from predictions.engine.routing.problems import RoutingProblem
from predictions.engine.routing.routings import to_date
from predictions.engine.routing.schema import FAMILY, ITEM_COLUMNS, Column
from predictions.engine.routing.splits import variant_groups
from predictions.engine.routing.tables import ItemTable, RoutingTable

Floats = NDArray[np.float64]

#: Share of empty cells from which a column is pointed out; ours.
MOSTLY_EMPTY = 0.5
#: A time beyond this many times the median of its operation is pointed out; ours.
FAR_TIMES = 100.0
#: Cross-check findings shown one by one; the rest is counted.
N_EXAMPLES = 5


@dataclass(frozen=True)
class ColumnProfile:
    """One column of the item master.

    Attributes
    ----------
    name, kind, unit, label_en, label_ko : str
    n_missing, n_distinct : int
    missing_share : float
    is_constant : bool
        At most one distinct value.
    low, median, high : float, str or None
        Of numbers and dates; None for texts and without any value.
    """

    name: str
    kind: str
    unit: str
    label_en: str
    label_ko: str
    n_missing: int
    n_distinct: int
    missing_share: float
    is_constant: bool
    low: float | str | None
    median: float | str | None
    high: float | str | None


@dataclass(frozen=True)
class OperationProfile:
    """One operation in all routings.

    Attributes
    ----------
    name : str
    n_steps, n_items, n_work_centers : int
    setup, run : tuple of float
        Least, median and greatest minutes.
    """

    name: str
    n_steps: int
    n_items: int
    n_work_centers: int
    setup: tuple[float, float, float]
    run: tuple[float, float, float]


@dataclass(frozen=True)
class RoutingProfile:
    """Quality of a pair of tables.

    Attributes
    ----------
    n_items, n_planned : int
        Items, and those with a routing.
    n_steps, n_versions, n_alternates : int
        Rows of the routing table, dated versions, and items with more than one alternate.
    n_sequences : int
        Different sequences of operations among the items' primary routings.
    n_groups : int
        Groups of variants (see `splits.variant_groups`).
    n_copies : int
        Items that equal an earlier one in everything but the item code.
    n_work_centers : int
    steps : tuple of float
        Least, median and greatest number of steps of a primary routing.
    valid_from, created_on : tuple of str, or None
        First and last day.
    columns : tuple of ColumnProfile
    operations : tuple of OperationProfile
        The most frequent first.
    findings : tuple of Problem
    """

    n_items: int
    n_planned: int
    n_steps: int
    n_versions: int
    n_alternates: int
    n_sequences: int
    n_groups: int
    n_copies: int
    n_work_centers: int
    steps: tuple[float, float, float]
    valid_from: tuple[str, str]
    created_on: tuple[str, str] | None
    columns: tuple[ColumnProfile, ...]
    operations: tuple[OperationProfile, ...]
    findings: tuple[Problem, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the profile ready for JSON, without NaN."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return plain | {
            "family": FAMILY,
            "columns": [asdict(column) for column in self.columns],
            "operations": [asdict(operation) for operation in self.operations],
            "findings": [finding.to_dict() for finding in self.findings],
        }


def profile(
    items: ItemTable, routings: RoutingTable, oddities: Sequence[Problem] = ()
) -> RoutingProfile:
    """Return the quality profile of a pair of tables.

    Parameters
    ----------
    items, routings : ItemTable, RoutingTable
        Consistent with each other.
    oddities : sequence of Problem
        What `tables.cross_check` found.
    """
    versions = routings.versions
    primary = routings.primary()
    columns = tuple(_column(items, column) for column in ITEM_COLUMNS)
    operations = _operations(routings)
    lengths = np.array([len(routing.operations) for routing in primary.values()])
    groups = variant_groups(items)
    by_item: dict[str, set[int]] = {}
    for code, alternate, _routing in versions:
        by_item.setdefault(code, set()).add(alternate)
    found = RoutingProfile(
        n_items=items.n_rows,
        n_planned=len(primary),
        n_steps=routings.n_rows,
        n_versions=len(versions),
        n_alternates=sum(len(known) > 1 for known in by_item.values()),
        n_sequences=len({routing.operations for routing in primary.values()}),
        n_groups=int(groups.max()) + 1,
        n_copies=_n_copies(items),
        n_work_centers=len(pc.unique(routings.data.column("work_center"))),
        steps=_spread(lengths.astype(np.float64)),
        valid_from=_days(routings.column("valid_from").astype(np.float64)) or ("", ""),
        created_on=_days(items.column("created_on").astype(np.float64)),
        columns=columns,
        operations=operations,
        findings=(),
    )
    findings = (*_gaps(found), *_oddities(oddities), *_times(routings))
    return dataclasses.replace(found, findings=findings)


def _column(items: ItemTable, column: Column) -> ColumnProfile:
    cells = items.data.column(column.name)
    n_distinct = int(pc.count_distinct(cells).as_py())
    low = median = high = None
    if column.kind in {"number", "date"} and cells.null_count < items.n_rows:
        values = items.column(column.name).astype(np.float64)
        spread = _spread(values[~np.isnan(values)])
        shown: Callable[[float], float | str] = float
        if column.kind == "date":
            shown = _day
        low, median, high = (shown(value) for value in spread)
    return ColumnProfile(
        name=column.name,
        kind=column.kind,
        unit=column.unit,
        label_en=column.label_en,
        label_ko=column.label_ko,
        n_missing=int(cells.null_count),
        n_distinct=n_distinct,
        missing_share=cells.null_count / items.n_rows,
        is_constant=n_distinct <= 1,
        low=low,
        median=median,
        high=high,
    )


def _operations(routings: RoutingTable) -> tuple[OperationProfile, ...]:
    names = ("operation", "item_code", "work_center", "setup_minutes", "run_minutes")
    data = routings.data.select(names).group_by("operation")
    counted = data.aggregate([("item_code", "count_distinct"), ("work_center", "count_distinct")])
    numbers = {
        row["operation"]: (row["item_code_count_distinct"], row["work_center_count_distinct"])
        for row in counted.to_pylist()
    }
    operation = routings.column("operation")
    kinds, place = np.unique(operation.astype(str), return_inverse=True)
    order = np.argsort(place, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(place))[:-1])
    setup, run = (
        routings.column(f"{name}_minutes").astype(np.float64) for name in ("setup", "run")
    )
    found = [
        OperationProfile(
            str(kind), len(rows), *numbers[str(kind)], _spread(setup[rows]), _spread(run[rows])
        )
        for kind, rows in zip(kinds, parts, strict=True)
    ]
    return tuple(sorted(found, key=lambda one: (-one.n_steps, one.name)))


def _n_copies(items: ItemTable) -> int:
    """Return how many items equal an earlier one in everything but the item code."""
    names = [column.name for column in ITEM_COLUMNS if column.name != "item_code"]
    distinct = items.data.select(names).group_by(names).aggregate([])
    return items.n_rows - int(distinct.num_rows)


def _spread(values: Floats) -> tuple[float, float, float]:
    low, median, high = np.quantile(values, [0, 0.5, 1]) if values.size else (0.0, 0.0, 0.0)
    return float(low), float(median), float(high)


def _days(days: Floats) -> tuple[str, str] | None:
    known = days[~np.isnan(days)]
    return (_day(known.min()), _day(known.max())) if known.size else None


def _day(days: float) -> str:
    return to_date(days).isoformat()


# --- What to know ---------------------------------------------------------------------------------
def _finding(code: str, field: str = "", **params: object) -> Problem:
    return RoutingProblem(field, code, params=params)


def _gaps(found: RoutingProfile) -> list[Problem]:
    findings = []
    empty = [c.name for c in found.columns if c.n_distinct == 0]
    sparse = [c.name for c in found.columns if c.n_distinct and c.missing_share > MOSTLY_EMPTY]
    constant = [c.name for c in found.columns if c.n_distinct == 1 and found.n_items > 1]
    without = found.n_items - found.n_planned
    if without:
        findings.append(_finding("items_unplanned", value=without, n_items=found.n_items))
    if found.n_copies:
        findings.append(_finding("items_copied", value=found.n_copies, n_items=found.n_items))
    for code, names in (
        ("columns_empty", empty),
        ("columns_sparse", sparse),
        ("columns_constant", constant),
    ):
        if names:
            findings.append(_finding(code, value=len(names), names=", ".join(names)))
    return findings


def _oddities(oddities: Sequence[Problem]) -> list[Problem]:
    """Return the first steps out of order; items without a routing are counted elsewhere."""
    disorder = [problem for problem in oddities if problem.code == "sequence_not_ascending"]
    return disorder[:N_EXAMPLES]


def _times(routings: RoutingTable) -> list[Problem]:
    findings = []
    operation = routings.column("operation").astype(str)
    place = np.unique(operation, return_inverse=True)[1]
    for name in ("setup_minutes", "run_minutes"):
        values = routings.column(name).astype(np.float64)
        far = values > FAR_TIMES * np.maximum(_medians(place, values)[place], 1e-9)
        if far.any():
            row = int(np.argmax(np.where(far, values, -1)))
            findings.append(
                _finding(
                    "times_far",
                    name,
                    value=int(far.sum()),
                    times=f"{FAR_TIMES:g}",
                    operation=str(operation[row]),
                    item=str(routings.column("item_code")[row]),
                    minutes=f"{values[row]:g}",
                )
            )
        nothing = int((values == 0).sum())
        if nothing:
            findings.append(_finding("times_zero", name, value=nothing, n_steps=len(values)))
    return findings


def _medians(place: NDArray[np.intp], values: Floats) -> Floats:
    order = np.argsort(place, kind="stable")
    parts = np.split(values[order], np.cumsum(np.bincount(place))[:-1])
    return np.array([np.median(part) for part in parts])
