"""Coordinates of a gauge, and of values beside those of normal shots."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

RADIUS, CENTRE_X, CENTRE_Y = 84.0, 100.0, 98.0
TICK = 10.0
#: Where the 5th and 95th percentile of normal shots lie on a bar, in percent of its width; ours.
INNER_LOW, INNER_HIGH = 25.0, 75.0
EDGE = 1.5


@dataclass(frozen=True)
class Gauge:
    """A half circle from 0 on the left to 1 on the right, in a picture of 200 by 110.

    Attributes
    ----------
    whole, filled : str
        Paths of the scale and of the part up to the value.
    tick : tuple of float
        Ends of the line that marks the threshold: x1, y1, x2, y2.
    """

    whole: str
    filled: str
    tick: tuple[float, float, float, float]


@dataclass(frozen=True)
class Band:
    """What is usual of one number: its 5th, 50th and 95th percentile over normal shots."""

    low: float
    middle: float
    high: float


@dataclass(frozen=True)
class Place:
    """Where a value lies beside the band, in percent of a bar's width.

    Attributes
    ----------
    at, low, middle, high : float
        The value, and the ends and the middle of the band.
    distance : float
        From the middle, in halves of the band; above 1 is outside.
    """

    at: float
    low: float
    middle: float
    high: float
    distance: float

    @property
    def is_outside(self) -> bool:
        """Whether nine of ten normal shots lie nearer."""
        return self.distance > 1

    @property
    def width(self) -> float:
        """Width of the band."""
        return self.high - self.low


def _point(share: float, radius: float) -> tuple[float, float]:
    angle = math.pi * (1 - min(max(share, 0.0), 1.0))
    return (
        round(CENTRE_X + radius * math.cos(angle), 2),
        round(CENTRE_Y - radius * math.sin(angle), 2),
    )


def _arc(share: float) -> str:
    start, end = _point(0.0, RADIUS), _point(share, RADIUS)
    return f"M {start[0]:g} {start[1]:g} A {RADIUS:g} {RADIUS:g} 0 0 1 {end[0]:g} {end[1]:g}"


def gauge(share: float, threshold: float) -> Gauge:
    """Return the picture of a share in [0, 1] and of the threshold beside it."""
    inner, outer = _point(threshold, RADIUS - TICK), _point(threshold, RADIUS + TICK)
    return Gauge(_arc(1.0), _arc(share), (*inner, *outer))


def place(value: float, band: Band) -> Place:
    """Return where a value lies beside the band of normal ones."""
    span = band.high - band.low
    if not span > 0:
        distance = 0.0 if math.isclose(value, band.middle, rel_tol=1e-6, abs_tol=1e-9) else 2.0
        at = 50.0 if not distance else (EDGE if value < band.middle else 100.0 - EDGE)
        return Place(at, 49.0, 50.0, 51.0, distance)

    def x(number: float) -> float:
        along = INNER_LOW + (INNER_HIGH - INNER_LOW) * (number - band.low) / span
        return round(min(max(along, EDGE), 100.0 - EDGE), 2)

    half = (band.high - band.middle if value >= band.middle else band.middle - band.low) or span / 2
    distance = abs(value - band.middle) / half
    return Place(x(value), INNER_LOW, x(band.middle), INNER_HIGH, round(distance, 3))


def bars(counts: Sequence[float]) -> list[float]:
    """Return heights in percent of the highest; nothing above 0 is drawn as nothing."""
    most = max(counts, default=0.0)
    return [round(100 * count / most, 2) if count > 0 else 0.0 for count in counts]
