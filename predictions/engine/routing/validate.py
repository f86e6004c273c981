"""Check one item as a caller sends it, and turn it into columns of length one. NumPy only."""

from collections.abc import Mapping
from datetime import date
from difflib import get_close_matches
from math import isfinite
from numbers import Real

import numpy as np

from predictions.engine.problems import Problem, ProblemList, shown
from predictions.engine.routing.encoding import Columns
from predictions.engine.routing.problems import ItemProblem, RoutingProblem
from predictions.engine.routing.routings import to_days
from predictions.engine.routing.schema import ITEM_BY_NAME, ITEM_COLUMNS, Column

_MAX_NAME = 60


def validate_item(item: object) -> tuple[Problem, ...]:
    """Return everything that is wrong with an item: unknown names, types, ranges.

    Parameters
    ----------
    item : object
        Should be a mapping of item columns to values; absent and null mean "not known". Dates are
        ISO 8601 texts.
    """
    found = ProblemList()
    if not isinstance(item, Mapping):
        found.add(RoutingProblem("", "item_not_an_object", params={"value": shown(item)}))
        return tuple(found.listed)
    for name, value in item.items():
        column = ITEM_BY_NAME.get(name)
        if column is None:
            found.add(_unknown(str(name)))
        elif value is not None:
            problem = _wrong(column, value)
            if problem is not None:
                found.add(problem)
    if not found and not any(_tells(ITEM_BY_NAME[name], item[name]) for name in item):
        found.add(RoutingProblem("", "item_empty"))
    return tuple(found.listed)


def item_columns(item: object) -> Columns:
    """Return an item as columns of length one.

    Raises
    ------
    ItemProblem
        If `validate_item` finds anything.
    """
    problems = validate_item(item)
    if problems or not isinstance(item, Mapping):
        raise ItemProblem(problems)
    columns: dict[str, np.ndarray] = {}
    for column in ITEM_COLUMNS:
        value = item.get(column.name)
        if column.kind == "number":
            columns[column.name] = np.array([np.nan if value is None else float(value)])
        elif column.kind == "date":
            day = np.nan if value is None else float(to_days(date.fromisoformat(value)))
            columns[column.name] = np.array([day])
        else:
            text = value.strip() if isinstance(value, str) else None
            columns[column.name] = np.array([text or None], dtype=object)
    return columns


def _tells(column: Column, value: object) -> bool:
    """Whether a value can be compared: identifiers and dates alone describe nothing."""
    return value not in (None, "") and column.kind in {"text", "category", "number"}


def _unknown(name: str) -> RoutingProblem:
    cut = name if len(name) <= _MAX_NAME else name[: _MAX_NAME - 1] + "…"
    near = get_close_matches(name, ITEM_BY_NAME, n=1)
    if near:
        return RoutingProblem(cut, "column_unknown_near", params={"suggestion": near[0]})
    return RoutingProblem(cut, "column_unknown")


def _wrong(column: Column, value: object) -> RoutingProblem | None:
    if column.kind == "number":
        return _wrong_number(column, value)
    if column.kind == "date":
        return None if _is_date(value) else _problem(column, "value_not_a_date", value)
    if not isinstance(value, str):
        return _problem(column, "value_not_a_text", value)
    if len(value) > column.max_length:
        params: dict[str, object] = {"value": len(value), "limit": column.max_length}
        return RoutingProblem(column.name, "value_too_long", params=params)
    return None


def _is_date(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(date.fromisoformat(value))
    except ValueError:
        return False


def _wrong_number(column: Column, value: object) -> RoutingProblem | None:
    if isinstance(value, bool) or not isinstance(value, Real):
        return _problem(column, "value_not_a_number", value)
    try:
        number = float(value)
    except OverflowError:
        number = float("inf")
    if not isfinite(number):
        return _problem(column, "value_not_finite", value)
    if column.is_whole and not number.is_integer():
        return _problem(column, "value_not_whole", value)
    if column.low is not None and column.high is not None:
        if column.low <= number <= column.high:
            return None
        limits = {"unit": column.unit, "low": f"{column.low:g}", "high": f"{column.high:g}"}
        params: dict[str, object] = {"value": f"{number:.9g}", **limits}
        return RoutingProblem(column.name, "value_out_of_range", params=params)
    return None


def _problem(column: Column, code: str, value: object) -> RoutingProblem:
    return RoutingProblem(column.name, code, params={"value": shown(value)})
