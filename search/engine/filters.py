"""What a caller filters by, checked against the fields of the index.

``{"mold": "A-12"}``, ``{"line": [3, 4]}``, ``{"date": {"gte": "2026-01-01"}}``: all must hold. A
field with several values matches when one of them does. ``taxonomy`` matches a path and all under
it.
"""

import datetime
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from search.engine.passages import Passage, Value, tidy_path
from search.engine.problems import QueryProblem, shown
from search.engine.text import clean

#: Types of the fields that every passage has.
FIELDS: Mapping[str, str] = {
    "document_id": "text",
    "title": "text",
    "taxonomy": "path",
    "content_type": "text",
    "date": "date",
}
BOUNDS = ("gt", "gte", "lt", "lte")
MAX_VALUES = 1_000
#: Fields whose values are also tags of the lexical index, beside all metadata.
_TAGGED = ("document_id", "taxonomy", "content_type")


@dataclass(frozen=True)
class Condition:
    """One field and what it must be: one of some values, or within bounds.

    Attributes
    ----------
    values : tuple
        Empty where bounds are given.
    bounds : tuple of (str, value)
        ``gt``, ``gte``, ``lt``, ``lte`` and their limits.
    """

    field: str
    kind: str
    values: tuple[Any, ...] = ()
    bounds: tuple[tuple[str, Any], ...] = ()


def parse(filters: Mapping[str, Any] | None, fields: Mapping[str, str]) -> tuple[Condition, ...]:
    """Return the conditions of a filter object.

    Parameters
    ----------
    fields : mapping
        Names and types of the fields of the index.

    Raises
    ------
    QueryProblem
        Naming the field that is unknown or has a value of the wrong type.
    """
    if filters is None:
        return ()
    if not isinstance(filters, Mapping):
        raise QueryProblem("filters_not_an_object", value=shown(filters))
    found = tuple(_condition(clean(str(name)), given, fields) for name, given in filters.items())
    n_values = sum(len(one.values) + len(one.bounds) for one in found)
    if n_values > MAX_VALUES:
        raise QueryProblem("too_many_filters", value=n_values, limit=MAX_VALUES)
    return found


def key(conditions: Sequence[Condition]) -> str:
    """Return a text that is equal for equal conditions."""
    parts = [
        [one.field, [str(v) for v in one.values], [str(b) for b in one.bounds]]
        for one in conditions
    ]
    return json.dumps(sorted(parts), ensure_ascii=False)


def matches(conditions: Sequence[Condition], passage: Passage) -> bool:
    """Return whether a passage satisfies all conditions."""
    return all(_holds(condition, passage) for condition in conditions)


def tags_of(passage: Passage) -> Iterator[tuple[str, str]]:
    """Yield field and value of every tag of a passage."""
    yield "document_id", tag_value(passage.document_id)
    yield "content_type", tag_value(passage.content_type)
    for path in ancestors(passage.taxonomy):
        yield "taxonomy", tag_value(path)
    for name, value in passage.metadata.items():
        for one in scalars(value):
            yield name, tag_value(one)


def tag_groups(conditions: Sequence[Condition]) -> Iterator[tuple[Condition, tuple[str, ...]]]:
    """Yield the conditions that tags can answer, each with the tag values that satisfy it."""
    for one in conditions:
        if one.values and (one.field in _TAGGED or one.field not in FIELDS):
            yield one, tuple(tag_value(value) for value in one.values)


def tag_value(value: object) -> str:
    """Return the text of one value in a tag; equal numbers give equal texts."""
    if isinstance(value, bool):
        return f"flag:{value}"
    if isinstance(value, int | float):
        return f"number:{float(value)!r}"
    return f"text:{value}"


def ancestors(path: str) -> list[str]:
    """Return a taxonomy path and all above it, the outermost first."""
    steps = path.split("/") if path else []
    return ["/".join(steps[: length + 1]) for length in range(len(steps))]


def scalars(value: Value) -> list[str | int | float | bool]:
    """Return the single values of a metadata value."""
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def values_of(field: str, passage: Passage) -> list[Any]:
    """Return the single values that a passage has in a field."""
    if field in FIELDS:
        value = getattr(passage, field)
        return [] if value is None else [value]
    return list(scalars(passage.metadata.get(field)))


def type_of(value: str | float | bool) -> str:
    """Return the field type of a single value."""
    if isinstance(value, bool):
        return "flag"
    return "text" if isinstance(value, str) else "number"


def _condition(name: str, given: object, fields: Mapping[str, str]) -> Condition:
    kind = fields.get(name)
    if kind is None:
        raise QueryProblem("unknown_field", field=shown(name), allowed=", ".join(sorted(fields)))
    if isinstance(given, Mapping):
        return Condition(name, kind, bounds=_bounds(name, kind, given))
    values = given if isinstance(given, list | tuple) else [given]
    if not values:
        raise _wrong(name, given, "at least one value")
    return Condition(name, kind, values=tuple(_value(name, kind, one) for one in values))


def _bounds(name: str, kind: str, given: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    if not given or any(bound not in BOUNDS for bound in given):
        raise _wrong(name, dict(given), "one or more of gt, gte, lt, lte with their limits")
    if kind in ("flag", "path"):
        raise _wrong(name, dict(given), "single values: this field has no order")
    return tuple((bound, _value(name, kind, limit)) for bound, limit in given.items())


def _value(name: str, kind: str, value: object) -> Any:
    if kind == "date":
        return _date(name, value)
    if kind in ("number", "mixed") and _is_number(value):
        return value
    if kind in ("flag", "mixed") and isinstance(value, bool):
        return value
    if kind in ("text", "path", "mixed") and isinstance(value, str):
        return tidy_path(value) if kind == "path" else clean(value)
    expected = {"number": "numbers", "flag": "true or false"}.get(kind, "text")
    raise _wrong(name, value, expected)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _date(name: str, value: object) -> datetime.date:
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return value
    try:
        return datetime.date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError as exc:
        raise _wrong(name, value, "a date such as 2026-01-31") from exc


def _wrong(name: str, value: object, expected: str) -> QueryProblem:
    return QueryProblem("wrong_filter", field=name, value=shown(value), expected=expected)


def _holds(condition: Condition, passage: Passage) -> bool:
    found = values_of(condition.field, passage)
    if condition.field == "taxonomy":
        found = ancestors(passage.taxonomy)
    if condition.values:
        wanted = {tag_value(value) for value in condition.values}
        return any(tag_value(value) in wanted for value in found)
    return any(all(_within(value, *bound) for bound in condition.bounds) for value in found)


def _within(value: Any, bound: str, limit: Any) -> bool:
    if isinstance(value, bool) or isinstance(value, str) != isinstance(limit, str):
        return False
    if bound.startswith("g"):
        return bool(value >= limit if bound == "gte" else value > limit)
    return bool(value <= limit if bound == "lte" else value < limit)
