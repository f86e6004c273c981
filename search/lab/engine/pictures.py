"""Pictures of a campaign: latency against recall, one dot a cell, one picture a need."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from search.lab.engine.analysis import choosing
from search.lab.engine.analysis.choosing import Need
from search.lab.engine.analysis.points import Point
from search.lab.engine.matrix import Cell

WIDTH, HEIGHT = 640.0, 320.0
LEFT, RIGHT, TOP, BOTTOM = 64.0, 28.0, 12.0, 40.0
#: Latencies that get a line, in milliseconds.
_TICKS_MS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000)
#: The same where all latencies lie within a factor of ten.
_DENSE_TICKS_MS = tuple(
    first * 10.0**power for power in range(-3, 5) for first in (1, 1.5, 2, 3, 5, 7)
)
_DENSE = 10.0
#: Steps of recall between lines; the first that needs no more than so many lines is taken.
_RECALL_STEPS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
_MOST_STEPS = 6


@dataclass(frozen=True)
class Dot:
    """One cell.

    Attributes
    ----------
    series : int
        Number of the engine, from 0.
    is_hollow : bool
        Whether something is to be said against the cell.
    """

    x: float
    y: float
    series: int
    is_hollow: bool
    label: str
    p50_ms: float
    recall: float


@dataclass(frozen=True)
class Tick:
    """A line across the picture at a value."""

    at: float
    text: str


@dataclass(frozen=True)
class Scatter:
    """Dots in a frame of `WIDTH` by `HEIGHT`; recall grows to the right, latency upwards.

    Attributes
    ----------
    need : Need or None
        What all dots answer; None where they answer different ones.
    front : str
        Path along the cells that no other beats in recall and latency at once; empty for one alone.
    """

    dots: tuple[Dot, ...]
    engines: tuple[str, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    need: Need | None = None
    front: str = ""


def _label(cell: Cell) -> str:
    return cell.label


def by_need(points: Sequence[Point], label: Callable[[Cell], str] = _label) -> list[Scatter]:
    """Return a picture for each need; an engine has the same number in all."""
    engines = _engines(points)
    found = (
        scatter(own, engines=engines, need=need, label=label)
        for need, own in choosing.by_need(points).items()
    )
    return [one for one in found if one is not None]


def scatter(
    points: Sequence[Point],
    *,
    engines: Sequence[str] = (),
    need: Need | None = None,
    label: Callable[[Cell], str] = _label,
) -> Scatter | None:
    """Place the cells; latency is on a logarithmic axis. None without a cell.

    Parameters
    ----------
    engines : sequence of str
        Those of all pictures, in their order; by default those of the points.
    need : Need or None
        What all of the points answer; only such points have a front.
    label : callable
        Names a cell.
    """
    if not points:
        return None
    known = list(engines or _engines(points))
    least = min(point.recall_at_10 for point in points)
    step = next((one for one in _RECALL_STEPS if 1.0 - least <= _MOST_STEPS * one), 0.2)
    n_steps = max(1, math.ceil(round((1.0 - least) / step, 6)))
    low_recall = 1.0 - n_steps * step
    low_ms = min(point.p50_ms for point in points) / 1.5
    high_ms = max(point.p50_ms for point in points) * 1.5
    span = math.log(high_ms / low_ms)

    def across(recall: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (recall - low_recall) / (1.0 - low_recall)

    def up(ms: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * math.log(ms / low_ms) / span

    recalls = [1.0 - (n_steps - at) * step for at in range(n_steps + 1)]
    places = 1 if step >= 0.1 else 3 if step < 0.01 else 2
    ticks_ms = _TICKS_MS if high_ms / low_ms > _DENSE else _DENSE_TICKS_MS
    return Scatter(
        tuple(
            Dot(
                round(across(point.recall_at_10), 1),
                round(up(point.p50_ms), 1),
                known.index(point.cell.engine),
                not point.is_sound,
                label(point.cell),
                point.p50_ms,
                point.recall_at_10,
            )
            for point in points
        ),
        tuple(known),
        tuple(Tick(round(across(recall), 1), f"{recall:.{places}f}") for recall in recalls),
        tuple(Tick(round(up(ms), 1), f"{ms:g}") for ms in ticks_ms if low_ms <= ms <= high_ms),
        need,
        _path([(across(x), up(y)) for x, y in edge(points)]) if need else "",
    )


def edge(points: Sequence[Point]) -> list[tuple[float, float]]:
    """Return recall and latency of the sound cells that no other beats in both, by recall."""
    found, fastest = [], math.inf
    for one in sorted(points, key=lambda point: (-point.recall_at_10, point.p50_ms)):
        if one.is_sound and one.p50_ms < fastest:
            found.append((one.recall_at_10, one.p50_ms))
            fastest = one.p50_ms
    return found[::-1]


def _engines(points: Sequence[Point]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(point.cell.engine for point in points))


def _path(corners: Sequence[tuple[float, float]]) -> str:
    """Return a stepped path: up to the next recall one pays that latency."""
    if len(corners) < 2:
        return ""
    (x, y), *others = corners
    return f"M{x:.1f},{y:.1f}" + "".join(f"V{above:.1f}H{right:.1f}" for right, above in others)
