"""Which axis of the matrix moves the latency, and which engines differ.

Effects: analysis of variance of log latency, type II sums of squares (Langsrud, 2003), with partial
omega squared as effect size (Olejnik and Algina, 2003), of the axes and of what a filter and the
scale do to one engine more than to another. Levels are fitted marginal means (Searle, Speed and
Milliken, 1980), so that an engine measured on large corpora alone is not called slow for it. Pairs
of engines: Wilcoxon signed-rank over cells that differ in the engine alone. P values of effects and
of pairs are corrected by Holm (1979).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from search.lab.engine.analysis.points import Point, log_latency, needs, sound

FACTORS = ("engine", "scale", "dimension", "search_type", "filter_share")
#: Axes whose effect may differ from engine to engine.
INTERACTIONS = (("engine", "filter_share"), ("engine", "scale"))
MIN_POINTS = 8
MIN_PAIRS = 6
#: Cells that must be left over to judge by before two axes are looked at together. Ours.
_MIN_LEFT = 4
#: Share of the squares below which a rest is that of floating point.
_ROUNDING = 1e-20

_Floats = NDArray[np.float64]
#: One axis, or two together.
_Term = tuple[str, ...]


@dataclass(frozen=True)
class Effect:
    """What one axis does to log latency, or two together beyond what each does.

    Attributes
    ----------
    factor : str
        An axis, or two with a colon between.
    omega_squared : float
        Partial: of the variance that the others leave, the share that this explains, 0 to 1.
        Shares of several do not add up.
    f_value : float or None
        None where the axes explain the latencies without any rest: it would be infinite.
    p_value : float
        Corrected by Holm for all effects of the list.
    levels : mapping
        Fitted latency at each level, all else equal, relative to the geometric mean of the levels;
        of two axes their levels have a colon between.
    """

    factor: str
    degrees: int
    f_value: float | None
    p_value: float
    omega_squared: float
    levels: Mapping[str, float]


@dataclass(frozen=True)
class Pair:
    """Two engines on the same cells.

    Attributes
    ----------
    ratio : float
        Geometric mean of first over second latency.
    p_value : float
        Corrected for all pairs.
    """

    first: str
    second: str
    ratio: float
    p_value: float
    n_cells: int


def effects(points: Sequence[Point]) -> list[Effect]:
    """Return the effect of every axis that has more than one level, the greatest first.

    Axes are looked at together where enough cells are left over to judge by.

    Raises
    ------
    AnalysisProblem
        If there are fewer than `MIN_POINTS` sound cells, or fewer than the levels need.
    """
    points = sound(points)
    needs(points, MIN_POINTS, "analysis of variance")
    response = log_latency(points)
    codes = {factor: _Code(points, factor) for factor in FACTORS}
    codes = {factor: code for factor, code in codes.items() if len(code.levels) > 1}
    terms: dict[_Term, _Floats] = {(factor,): code.columns for factor, code in codes.items()}
    needs(points, _rank(len(points), terms.values()) + 1, "analysis of variance")
    terms |= _together(terms, len(points))
    used = _rank(len(points), terms.values())
    nothing = _ROUNDING * float((1.0 + response**2).sum())
    whole = _residual(response, terms.values())
    error = whole / (len(points) - used) if whole > nothing else 0.0
    found = []
    for term, own in terms.items():
        others = [columns for name, columns in terms.items() if not set(term) <= set(name)]
        degrees = _rank(len(points), [*others, own]) - _rank(len(points), others)
        if not degrees:  # other axes change with this one, so that nothing is its own
            continue
        gained = _residual(response, others) - _residual(response, [*others, own])
        gained = gained if gained > nothing else 0.0
        f_value, p_value, omega = _tested(gained / degrees, error, degrees, len(points), used)
        levels = _levels(points, response, codes, term)
        found.append(Effect(":".join(term), degrees, f_value, p_value, omega, levels))
    corrected = holm([one.p_value for one in found])
    found = [replace(one, p_value=value) for one, value in zip(found, corrected, strict=True)]
    return sorted(found, key=lambda one: -one.omega_squared)


def _tested(
    gained: float, error: float, degrees: int, count: int, used: int
) -> tuple[float | None, float, float]:
    """Return F, its p value and partial omega squared; without any error there is no F."""
    if error <= 0:
        return (None, 0.0, 1.0) if gained > 0 else (None, 1.0, 0.0)
    f_value = gained / error
    excess = degrees * (f_value - 1)
    omega = max(0.0, excess / (excess + count))
    return f_value, float(stats.f.sf(f_value, degrees, count - used)), float(omega)


def pairs(points: Sequence[Point]) -> list[Pair]:
    """Return every two engines that share at least `MIN_PAIRS` sound cells."""
    points = sound(points)
    by_engine: dict[str, dict[tuple[object, ...], float]] = {}
    for point, latency in zip(points, log_latency(points), strict=True):
        one = point.cell
        place = (one.scale, one.dimension, one.search_type, one.filter_share, one.lexical)
        by_engine.setdefault(one.engine, {})[place] = float(latency)
    raw = []
    for first, second in combinations(sorted(by_engine), 2):
        shared = sorted(by_engine[first].keys() & by_engine[second].keys(), key=str)
        if len(shared) < MIN_PAIRS:
            continue
        differences = np.array([by_engine[first][at] - by_engine[second][at] for at in shared])
        p_value = 1.0 if not differences.any() else float(stats.wilcoxon(differences).pvalue)
        raw.append((first, second, float(np.exp(differences.mean())), p_value, len(shared)))
    corrected = holm([one[3] for one in raw])
    return [
        Pair(first, second, ratio, p_value, count)
        for (first, second, ratio, _, count), p_value in zip(raw, corrected, strict=True)
    ]


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values corrected by Holm's step-down procedure, in the order given."""
    count = len(p_values)
    corrected, greatest = [0.0] * count, 0.0
    for rank, place in enumerate(sorted(range(count), key=lambda at: p_values[at])):
        greatest = max(greatest, min(1.0, (count - rank) * p_values[place]))
        corrected[place] = greatest
    return corrected


class _Code:
    """A factor as indicator columns, all levels but the first."""

    def __init__(self, points: Sequence[Point], factor: str) -> None:
        self._factor = factor
        self.levels = list(dict.fromkeys(self.level(point) for point in points))
        rows = [self.row(self.level(point)) for point in points]
        self.columns = np.array(rows).reshape(len(points), len(self.levels) - 1)
        self.even = np.full(len(self.levels) - 1, 1 / len(self.levels))

    def level(self, point: Point) -> str:
        return str(getattr(point.cell, self._factor))

    def row(self, level: str) -> _Floats:
        return np.array([float(level == one) for one in self.levels[1:]])


def _together(mains: Mapping[_Term, _Floats], count: int) -> dict[_Term, _Floats]:
    """Return the columns of the pairs of axes that enough cells tell."""
    found: dict[_Term, _Floats] = {}
    for first, second in INTERACTIONS:
        if (first,) not in mains or (second,) not in mains:
            continue
        columns = _products(mains[first,], mains[second,])
        known = [*mains.values(), *found.values()]
        if _rank(count, known) < _rank(count, [*known, columns]) <= count - _MIN_LEFT:
            found[first, second] = columns
    return found


def _products(first: _Floats, second: _Floats) -> _Floats:
    return (first[:, :, None] * second[:, None, :]).reshape(len(first), -1)


def _design(count: int, columns: Iterable[_Floats]) -> _Floats:
    return np.column_stack([np.ones(count), *columns])


def _rank(count: int, columns: Iterable[_Floats]) -> int:
    return int(np.linalg.matrix_rank(_design(count, columns)))


def _residual(response: _Floats, columns: Iterable[_Floats]) -> float:
    design = _design(len(response), columns)
    weights, *_ = np.linalg.lstsq(design, response, rcond=None)
    return float(((response - design @ weights) ** 2).sum())


def _levels(
    points: Sequence[Point], response: _Floats, codes: Mapping[str, _Code], term: _Term
) -> dict[str, float]:
    """Return the fitted latency of each level of a term, every other axis at its even mean."""
    columns = [code.columns for code in codes.values()]
    if len(term) > 1:
        columns.append(_products(codes[term[0]].columns, codes[term[1]].columns))
    weights, *_ = np.linalg.lstsq(_design(len(points), columns), response, rcond=None)
    found = {}
    for names in dict.fromkeys(tuple(codes[axis].level(one) for axis in term) for one in points):
        rows = {axis: codes[axis].row(name) for axis, name in zip(term, names, strict=True)}
        parts = [rows.get(axis, code.even) for axis, code in codes.items()]
        if len(term) > 1:
            parts.append(np.outer(rows[term[0]], rows[term[1]]).ravel())
        found[":".join(names)] = float(np.concatenate([np.ones(1), *parts]) @ weights)
    centre = float(np.mean(list(found.values())))
    return {name: float(np.exp(value - centre)) for name, value in found.items()}
