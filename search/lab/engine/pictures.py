"""A picture of a campaign: latency against recall, one dot a cell."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from search.lab.engine.analysis.points import Point

WIDTH, HEIGHT = 640.0, 320.0
LEFT, RIGHT, TOP, BOTTOM = 56.0, 16.0, 12.0, 40.0
#: Latencies that get a line, in milliseconds.
_TICKS_MS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000)


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
    """Dots in a frame of `WIDTH` by `HEIGHT`; recall grows to the right, latency upwards."""

    dots: tuple[Dot, ...]
    engines: tuple[str, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


def scatter(points: Sequence[Point]) -> Scatter | None:
    """Place the cells; latency is on a logarithmic axis. None without a cell."""
    if not points:
        return None
    engines = tuple(dict.fromkeys(point.cell.engine for point in points))
    least = min(point.recall_at_10 for point in points)
    low_recall = math.floor(10 * min(least, 0.9)) / 10
    low_ms = min(point.p50_ms for point in points) / 1.5
    high_ms = max(point.p50_ms for point in points) * 1.5
    span = math.log(high_ms / low_ms)

    def across(recall: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (recall - low_recall) / (1.0 - low_recall)

    def up(ms: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * math.log(ms / low_ms) / span

    n_steps = round(10 * (1.0 - low_recall))
    recalls = [round(low_recall + step / 10, 1) for step in range(n_steps + 1)]
    return Scatter(
        tuple(
            Dot(
                round(across(point.recall_at_10), 1),
                round(up(point.p50_ms), 1),
                engines.index(point.cell.engine),
                not point.is_sound,
                point.cell.label,
                point.p50_ms,
                point.recall_at_10,
            )
            for point in points
        ),
        engines,
        tuple(Tick(round(across(recall), 1), f"{recall:.1f}") for recall in recalls),
        tuple(Tick(round(up(ms), 1), f"{ms:g}") for ms in _TICKS_MS if low_ms <= ms <= high_ms),
    )
