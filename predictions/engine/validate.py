"""Check named numbers against a signature, as one array.

Good rows take one dictionary read and a few array comparisons; only rows that fail are looked at
value by value. `test_checking_stays_cheap` holds the cost of a good row.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from math import isfinite
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from predictions.engine.problems import Problem, ProblemList, shown
from predictions.engine.signature import Signature, SignatureFeature

_PLAIN_OR_NULL = frozenset({int, float, type(None)})


@dataclass(frozen=True)
class Validated:
    """Outcome of a check.

    Attributes
    ----------
    matrix : float32 array, shape [n, n_features]
        The numbers in signature order, NaN where null was accepted; meaningless in rows with
        problems.
    problems : tuple of Problem
        The first problems, in order of rows; `Problem.row` is the position of the instance from 0.
    n_problems : int
        How many there are: every problem of the rows that are listed, one for each further bad row.
    """

    matrix: NDArray[np.float32]
    problems: tuple[Problem, ...]
    n_problems: int

    @property
    def is_valid(self) -> bool:
        """Whether nothing is wrong."""
        return self.n_problems == 0


def validate(instances: Sequence[Mapping[str, object]], signature: Signature) -> Validated:
    """Check instances of named numbers and return them as one array.

    Parameters
    ----------
    instances : sequence of mappings
        Feature name to number; every feature of the signature exactly once. Python numbers as a
        JSON reader makes them; booleans, strings, NaN and infinities are refused, null is accepted
        where the signature says so.
    signature : Signature
        Names, order, ranges.

    Returns
    -------
    Validated
        float32 matrix [n, n_features] and what is wrong.
    """
    found = ProblemList()
    n_features = len(signature.names)
    rows: list[Sequence[object]] = []
    blank = (0.0,) * n_features
    odd: set[int] = set()
    for position, instance in enumerate(instances):
        row = _plain_row(instance, signature, n_features)
        if row is None:
            odd.add(position)
            row = blank
        rows.append(row)
    try:
        values = np.array(rows, dtype=np.float64).reshape(len(rows), n_features)
    except OverflowError:
        values = _without_huge(rows)
    odd.update(bad_rows(values, signature).tolist(), _spelled_nan(rows, values))
    for position in sorted(odd):
        if found.is_full:
            found.skip(1)
            continue
        _explain(instances[position], position, signature, found)
    with np.errstate(over="ignore"):
        matrix = values.astype(np.float32)
    return Validated(matrix, tuple(found.listed), found.count)


def validate_matrix(matrix: NDArray[np.floating], signature: Signature) -> Validated:
    """Check rows that already are an array in signature order.

    Parameters
    ----------
    matrix : float array, shape [n, n_features]
        NaN stands for null.
    signature : Signature
        Names, order, ranges.

    Returns
    -------
    Validated
        The same rows as float32 and what is wrong.
    """
    found = ProblemList()
    n_features = len(signature.names)
    if matrix.ndim != 2 or matrix.shape[1] != n_features:
        found.add(
            _problem("", "wrong_shape", None, value=list(matrix.shape), n_features=n_features)
        )
        return Validated(np.empty((0, n_features), np.float32), tuple(found.listed), found.count)
    values = matrix.astype(np.float64)
    for position in bad_rows(values, signature):
        if found.is_full:
            found.skip(1)
            continue
        for feature, value in zip(signature.features, values[position].tolist(), strict=True):
            given = None if np.isnan(value) else value
            explain_value(feature, given, int(position), found)
    with np.errstate(over="ignore"):
        checked = matrix.astype(np.float32)
    return Validated(checked, tuple(found.listed), found.count)


def _plain_row(
    instance: Mapping[str, object], signature: Signature, n_features: int
) -> Sequence[object] | None:
    """Return the values in order when all names fit and all types are plain, else None."""
    try:
        if len(instance) != n_features:
            return None
        row: Sequence[object] = signature.pick(instance)
    except (KeyError, TypeError):
        return None
    return row if _PLAIN_OR_NULL.issuperset(map(type, row)) else None


def _without_huge(rows: Sequence[Sequence[object]]) -> NDArray[np.float64]:
    """Return the rows with integers beyond float64 as infinity, which no range accepts."""
    limit = 10**300
    return np.array(
        [
            [np.inf if isinstance(value, int) and abs(value) > limit else value for value in row]
            for row in rows
        ],
        dtype=np.float64,
    )


def _spelled_nan(rows: Sequence[Sequence[object]], values: NDArray[np.float64]) -> Iterator[int]:
    """Yield the rows in which a NaN was sent as such; null has become NaN as well by now."""
    for position in np.flatnonzero(np.isnan(values).any(axis=1)).tolist():
        if any(value != value for value in rows[position]):
            yield position


def bad_rows(values: NDArray[np.float64], signature: Signature) -> NDArray[np.intp]:
    """Return the positions of rows with any value outside; shape [n_bad]."""
    fits = (values >= signature.low) & (values <= signature.high)
    for index, allowed in signature.categories:
        fits[:, index] &= (values[:, index, None] == allowed).any(axis=1)
    if fits.all():
        return np.empty(0, dtype=np.intp)
    fits |= np.isnan(values) & signature.nullable
    return np.flatnonzero(~fits.all(axis=1))


def _explain(instance: object, position: int, signature: Signature, found: ProblemList) -> None:
    """Add every problem of one instance."""
    if not isinstance(instance, Mapping):
        found.add(_problem("", "not_an_object", position, value=shown(instance)))
        return
    for feature in signature.features:
        if feature.name not in instance:
            found.add(_problem(feature.name, "missing", position, n_features=len(signature.names)))
        else:
            explain_value(feature, instance[feature.name], position, found)
    known = set(signature.names)
    for name in instance:
        if name not in known:
            found.add(_unknown(name, position, signature))


def _unknown(name: object, position: int, signature: Signature) -> Problem:
    near = get_close_matches(str(name), signature.names, n=1)
    if near:
        return _problem(shown_name(name), "unknown_near", position, suggestion=near[0])
    return _problem(shown_name(name), "unknown", position)


def shown_name(name: object, limit: int = 60) -> str:
    """Return a name a caller invented, cut so that it cannot flood an answer."""
    text = str(name)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def explain_value(
    feature: SignatureFeature, value: object, position: int, found: ProblemList
) -> None:
    """Add the problem of one value, if it has one."""
    if value is None:
        if not feature.nullable:
            found.add(_problem(feature.name, "null", position))
        return
    if isinstance(value, bool) or not isinstance(value, Real):
        found.add(_problem(feature.name, "not_a_number", position, value=shown(value)))
        return
    try:
        number = float(value)
    except OverflowError:
        number = float("inf")
    if not isfinite(number):
        found.add(_problem(feature.name, "not_finite", position, value=shown(value)))
    elif feature.allowed is not None and number not in feature.allowed:
        allowed = ", ".join(f"{item:g}" for item in feature.allowed)
        found.add(
            _problem(feature.name, "not_allowed", position, value=f"{number:g}", allowed=allowed)
        )
    elif not feature.low <= number <= feature.high:
        found.add(_out_of_range(feature, number, position))


def _out_of_range(feature: SignatureFeature, number: float, position: int) -> Problem:
    return _problem(
        feature.name,
        "out_of_range",
        position,
        value=f"{number:.9g}",
        unit=feature.unit,
        low=f"{feature.low:g}",
        high=f"{feature.high:g}",
    )


def _problem(field: str, code: str, row: int | None, **params: object) -> Problem:
    return Problem(field, code, row, params)
