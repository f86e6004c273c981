"""Coordinates of the pictures that the pages draw as inline SVG."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SPARK_WIDTH, SPARK_HEIGHT = 100.0, 24.0
PLOT_WIDTH, PLOT_HEIGHT = 320.0, 240.0
LEFT, RIGHT, TOP, BOTTOM = 40.0, 10.0, 10.0, 34.0
TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
LARGEST_DOT, SMALLEST_DOT = 7.0, 2.0


@dataclass(frozen=True)
class Dot:
    """One bin of a calibration curve, in picture coordinates."""

    x: float
    y: float
    radius: float
    low: float
    high: float
    text: str


@dataclass(frozen=True)
class Tick:
    """A mark on both axes."""

    x: float
    y: float
    label: str


@dataclass(frozen=True)
class Calibration:
    """Everything the template needs to draw predicted against observed shares."""

    dots: tuple[Dot, ...]
    ticks: tuple[Tick, ...]
    line: str
    width: float = PLOT_WIDTH
    height: float = PLOT_HEIGHT
    left: float = LEFT
    right: float = PLOT_WIDTH - RIGHT
    top: float = TOP
    bottom: float = PLOT_HEIGHT - BOTTOM


@dataclass(frozen=True)
class Interval:
    """A difference and its interval on a line around zero, in percent of the width."""

    low: float
    width: float
    value: float
    zero: float


def _x(share: float) -> float:
    return round(LEFT + share * (PLOT_WIDTH - LEFT - RIGHT), 2)


def _y(share: float) -> float:
    return round(PLOT_HEIGHT - BOTTOM - share * (PLOT_HEIGHT - TOP - BOTTOM), 2)


def calibration(curve: Sequence[Mapping[str, Any]]) -> Calibration:
    """Return the picture of a calibration curve.

    Parameters
    ----------
    curve
        Bins with ``predicted`` and ``observed`` shares in [0, 1], ``n`` rows and, when known, the
        bounds ``low`` and ``high`` of the observed share. Bins without both shares are left out.
    """
    bins = [b for b in curve if b.get("predicted") is not None and b.get("observed") is not None]
    most = max((float(b.get("n") or 1) for b in bins), default=1.0)
    dots = tuple(_dot(b, most) for b in bins)
    ticks = tuple(Tick(_x(t), _y(t), f"{t:g}") for t in TICKS)
    return Calibration(dots, ticks, " ".join(f"{dot.x},{dot.y}" for dot in dots))


def _dot(one: Mapping[str, Any], most: float) -> Dot:
    predicted, observed = float(one["predicted"]), float(one["observed"])
    n = float(one.get("n") or 1)
    radius = max(SMALLEST_DOT, LARGEST_DOT * math.sqrt(n / most))
    low, high = one.get("low"), one.get("high")
    return Dot(
        _x(predicted),
        _y(observed),
        round(radius, 2),
        _y(float(observed if low is None else low)),
        _y(float(observed if high is None else high)),
        f"{predicted:.3f} → {observed:.3f} (n = {n:.0f})",
    )


def spark(values: Sequence[float]) -> str:
    """Return the points of a small line: first value left, last right, the range as height."""
    kept = [float(value) for value in values if math.isfinite(value)]
    if len(kept) < 2:
        return ""
    low, high = min(kept), max(kept)
    span = (high - low) or 1.0
    step = SPARK_WIDTH / (len(kept) - 1)
    return " ".join(
        f"{i * step:.2f},{SPARK_HEIGHT - 1 - (value - low) / span * (SPARK_HEIGHT - 2):.2f}"
        for i, value in enumerate(kept)
    )


def interval(value: float, low: float, high: float, zero: float = 0.0) -> Interval:
    """Return where a difference, its interval and zero lie on a line that holds them all."""
    left, right = min(low, zero), max(high, zero)
    span = (right - left) or 1.0
    margin = span * 0.08
    left, span = left - margin, span + 2 * margin

    def place(x: float) -> float:
        return round(100 * (x - left) / span, 2)

    return Interval(place(low), round(place(high) - place(low), 2), place(value), place(zero))
