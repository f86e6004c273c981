"""Which axis of the matrix moves the latency, and which engines differ.

Effects: analysis of variance of log latency, type II sums of squares (Langsrud, 2003), with partial
omega squared as effect size (Olejnik and Algina, 2003). Pairs of engines: Wilcoxon signed-rank over
cells that differ in the engine alone, p values corrected by Holm (1979).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from search.lab.engine.analysis.points import Point, log_latency, needs

FACTORS = ("engine", "scale", "dimension", "search_type", "filter_share")
MIN_POINTS = 8
MIN_PAIRS = 6
#: Share of the squares below which a rest is that of floating point.
_ROUNDING = 1e-20


@dataclass(frozen=True)
class Effect:
    """What one axis does to log latency.

    Attributes
    ----------
    omega_squared : float
        Share of the variance that the axis explains beside the others, 0 to 1.
    f_value : float or None
        None where the axes explain the latencies without any rest: it would be infinite.
    p_value : float
    levels : mapping
        Latency at each level relative to the geometric mean of all.
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

    Raises
    ------
    AnalysisProblem
        If there are fewer than `MIN_POINTS` cells, or fewer than the levels need.
    """
    needs(points, MIN_POINTS, "analysis of variance")
    response = log_latency(points)
    columns = {factor: _coded(points, factor) for factor in FACTORS}
    columns = {name: one for name, one in columns.items() if one.shape[1]}
    whole = _residual(response, list(columns.values()))
    used = 1 + sum(one.shape[1] for one in columns.values())
    needs(points, used + 1, "analysis of variance")
    nothing = _ROUNDING * float((1.0 + response**2).sum())
    error = whole / (len(points) - used) if whole > nothing else 0.0
    found = []
    for factor, own in columns.items():
        others = [one for name, one in columns.items() if name != factor]
        degrees = own.shape[1]
        gained = _residual(response, others) - whole
        gained = gained if gained > nothing else 0.0
        f_value, p_value, omega = _tested(gained / degrees, error, degrees, len(points), used)
        found.append(
            Effect(
                factor,
                degrees,
                f_value,
                p_value,
                omega,
                _levels(points, response, factor),
            )
        )
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
    """Return every two engines that share at least `MIN_PAIRS` cells."""
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


def _level(point: Point, factor: str) -> str:
    return str(getattr(point.cell, factor))


def _coded(points: Sequence[Point], factor: str) -> NDArray[np.float64]:
    """Return the indicator columns of a factor, all levels but the first."""
    levels = sorted({_level(point, factor) for point in points})[1:]
    rows = [[float(_level(point, factor) == level) for level in levels] for point in points]
    return np.array(rows, dtype=np.float64).reshape(len(points), len(levels))


def _residual(response: NDArray[np.float64], columns: list[NDArray[np.float64]]) -> float:
    design = np.column_stack([np.ones(len(response)), *columns])
    weights, *_ = np.linalg.lstsq(design, response, rcond=None)
    return float(((response - design @ weights) ** 2).sum())


def _levels(
    points: Sequence[Point], response: NDArray[np.float64], factor: str
) -> dict[str, float]:
    names = np.array([_level(point, factor) for point in points])
    centre = response.mean()
    return {
        str(name): float(np.exp(response[names == name].mean() - centre))
        for name in dict.fromkeys(names.tolist())
    }
