"""Coordinates of the pictures that pages draw of a version: what thresholds cost, and intervals."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from predictions.engine.cost_draws import Span
from predictions.engine.costs import CostCurve

WIDTH, HEIGHT = 320.0, 220.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 10.0, 14.0, 34.0
N_TICKS = 4
#: Room left and right of all intervals, as a share of their span.
MARGIN = 0.04


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: where, and the value there."""

    at: float
    value: float


@dataclass(frozen=True)
class Mark:
    """A threshold of its own: where it lies on the curve."""

    name: str
    x: float
    y: float


@dataclass(frozen=True)
class CostPicture:
    """Everything that is drawn of a cost curve, in picture coordinates."""

    line: str
    band: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    marks: tuple[Mark, ...]
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    top: float = TOP
    bottom: float = HEIGHT - BOTTOM


@dataclass(frozen=True)
class Bar:
    """An interval on a shared axis, in percent of its width; `zero` is where 0 lies, if it does."""

    value: float
    low: float
    high: float
    zero: float | None

    @property
    def width(self) -> float:
        """Length of the interval."""
        return round(self.high - self.low, 2)


def cost_picture(
    curve: CostCurve,
    marked: Mapping[str, tuple[float, float]],
    spans: Sequence[Span] = (),
) -> CostPicture:
    """Lay a cost curve out as steps: between two thresholds the same shots are called.

    Parameters
    ----------
    curve : CostCurve
    marked : mapping of str to (threshold, cost)
        Thresholds to mark by name; those above 1 are drawn at 1.
    spans : sequence of Span
        Interval of every point's cost, or none.
    """
    highest = max([point.cost for point in curve.points] + [span.high for span in spans])
    top = _rounded_up(highest or 1.0)

    def x(threshold: float) -> float:
        return round(LEFT + min(threshold, 1.0) * (WIDTH - LEFT - RIGHT), 2)

    def y(cost: float) -> float:
        return round(HEIGHT - BOTTOM - cost / top * (HEIGHT - TOP - BOTTOM), 2)

    def steps(costs: Sequence[float]) -> list[tuple[float, float]]:
        corners: list[tuple[float, float]] = []
        for before, point, cost in zip((None, *curve.points), curve.points, costs, strict=False):
            if before is not None:
                corners.append((x(before.threshold), y(cost)))
            corners.append((x(point.threshold), y(cost)))
        return corners

    lower, upper = steps([span.low for span in spans]), steps([span.high for span in spans])
    return CostPicture(
        line=_joined(steps([point.cost for point in curve.points])),
        band=_joined([*upper, *reversed(lower)]),
        x_ticks=tuple(Tick(x(share), share) for share in (0.0, 0.25, 0.5, 0.75, 1.0)),
        y_ticks=tuple(
            Tick(y(top * part / N_TICKS), top * part / N_TICKS) for part in range(N_TICKS + 1)
        ),
        marks=tuple(Mark(name, x(at), y(cost)) for name, (at, cost) in marked.items()),
    )


def _joined(corners: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{a:g},{b:g}" for a, b in corners)


def _rounded_up(value: float) -> float:
    """Return the next of 1, 2, 4 or 8 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 8, 10) if step * power >= value * (1 - 1e-12))


def bars(
    figures: Sequence[tuple[float, float | None, float | None]], *, start: float | None = None
) -> list[Bar]:
    """Lay intervals out on one axis.

    Parameters
    ----------
    figures : sequence of (value, low, high)
        An interval that is not known is drawn as long as nothing.
    start : float, optional
        Where the axis begins; a little before the least otherwise.
    """
    spans = [(_or(low, value), _or(high, value)) for value, low, high in figures]
    least = min((low for low, _high in spans), default=0.0)
    most = max((high for _low, high in spans), default=1.0)
    margin = MARGIN * ((most - least) or 1.0)
    left = least - margin if start is None else start
    span = (most + margin - left) or 1.0

    def place(number: float) -> float:
        return round(100 * (number - left) / span, 2)

    zero = place(0.0) if left <= 0 <= most + margin else None
    return [
        Bar(place(value), place(low), place(high), zero)
        for (value, _low, _high), (low, high) in zip(figures, spans, strict=True)
    ]


def _or(bound: float | None, value: float) -> float:
    return value if bound is None else bound
