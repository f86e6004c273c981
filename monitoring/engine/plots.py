"""Coordinates of the pictures of drift, drawn as inline SVG by the templates."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 340.0, 190.0
#: Room for three moments below; on a telephone words stay legible.
COURSE_WIDTH = 440.0
LEFT, RIGHT, TOP, BOTTOM = 40.0, 8.0, 10.0, 28.0
GAP = 0.18
SPARK_WIDTH, SPARK_HEIGHT = 100.0, 24.0


@dataclass(frozen=True)
class Bar:
    """One bar in picture coordinates."""

    x: float
    y: float
    width: float
    height: float
    text: str


@dataclass(frozen=True)
class Mark:
    """A mark on one axis."""

    at: float
    label: str


@dataclass(frozen=True)
class Bars:
    """Shares of bins on two sides."""

    baseline: tuple[Bar, ...]
    now: tuple[Bar, ...]
    x_marks: tuple[Mark, ...]
    y_marks: tuple[Mark, ...]
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    bottom: float = HEIGHT - BOTTOM


@dataclass(frozen=True)
class Course:
    """A statistic over time with its threshold and another statistic; empty lines when unknown."""

    line: str
    threshold: str
    beside: str
    dots: tuple[Bar, ...]
    x_marks: tuple[Mark, ...]
    y_marks: tuple[Mark, ...]
    width: float = COURSE_WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = COURSE_WIDTH - RIGHT
    bottom: float = HEIGHT - BOTTOM


def bars(baseline: Sequence[float], now: Sequence[float], labels: Sequence[str]) -> Bars:
    """Return the picture of a distribution beside its baseline.

    Parameters
    ----------
    baseline, now
        Shares of the same bins, from 0 to 1.
    labels
        What each bin holds.
    """
    most = max((*baseline, *now, 0.01)) * 1.05
    slot = (WIDTH - LEFT - RIGHT) / max(len(labels), 1)
    thick = slot * (1 - GAP) / 2

    def side(shares: Sequence[float], offset: float) -> tuple[Bar, ...]:
        return tuple(
            _bar(LEFT + slot * (place + GAP / 2) + offset, share / most, thick, text)
            for place, (share, text) in enumerate(zip(shares, labels, strict=True))
        )

    return Bars(side(baseline, 0.0), side(now, thick), _ends(labels), _heights(most, _percent))


def _bar(x: float, share: float, width: float, text: str) -> Bar:
    height = share * (HEIGHT - TOP - BOTTOM)
    return Bar(round(x, 2), _y(share), round(width, 2), round(height, 2), text)


def _ends(labels: Sequence[str]) -> tuple[Mark, ...]:
    if not labels:
        return ()
    slot = (WIDTH - LEFT - RIGHT) / len(labels)
    places = sorted({0, len(labels) // 2, len(labels) - 1})
    return tuple(Mark(round(LEFT + slot * (place + 0.5), 2), labels[place]) for place in places)


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %"


def _plain(value: float) -> str:
    return f"{value:.2g}"


def _heights(most: float, say: Callable[[float], str]) -> tuple[Mark, ...]:
    step = _nice(most / 4)
    values = [step * number for number in range(int(most / step) + 1)]
    return tuple(Mark(_y(value / most), say(value)) for value in values)


def _nice(step: float) -> float:
    """Return the next round number: 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= step)


def _y(share: float) -> float:
    return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 2)


def course(
    at_s: Sequence[float],
    values: Sequence[float],
    thresholds: Sequence[float | None],
    texts: Sequence[str],
    *,
    beside: Sequence[float] = (),
    marks: Sequence[tuple[float, str]],
) -> Course:
    """Return the picture of a statistic over time.

    Parameters
    ----------
    at_s
        Seconds since 1970, ascending.
    values, thresholds, texts
        Statistic, threshold where known, and what is said of each point.
    beside
        Another statistic at the same times, drawn on the same axis.
    marks
        Seconds and words on the axis of time; the first and the last are its ends.
    """
    known = [value for value in thresholds if value is not None]
    most = max((*values, *known, *beside, 1e-6)) * 1.08
    since_s = marks[0][0]
    span = max(marks[-1][0] - since_s, 1.0)
    inner = COURSE_WIDTH - LEFT - RIGHT

    def x(second: float) -> float:
        return round(LEFT + inner * min(max((second - since_s) / span, 0.0), 1.0), 2)

    points = [(x(second), _y(value / most)) for second, value in zip(at_s, values, strict=True)]
    others = [(x(second), _y(value / most)) for second, value in zip(at_s, beside, strict=False)]
    limits = [
        (x(second), _y(limit / most))
        for second, limit in zip(at_s, thresholds, strict=True)
        if limit is not None
    ]
    dots = tuple(
        Bar(place, height, 0.0, 0.0, text)
        for (place, height), text in zip(points, texts, strict=True)
    )
    x_marks = tuple(Mark(x(second), label) for second, label in marks)
    lines = _line(points), _line(limits), _line(others)
    return Course(*lines, dots, x_marks, _heights(most, _plain))


def _line(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in points)


def spark(values: Sequence[float]) -> str:
    """Return the points of a small line whose height begins at zero."""
    if len(values) < 2:
        return ""
    most = max(values) or 1.0
    step = SPARK_WIDTH / (len(values) - 1)
    return " ".join(
        f"{place * step:.2f},{SPARK_HEIGHT - 1 - value / most * (SPARK_HEIGHT - 2):.2f}"
        for place, value in enumerate(values)
    )
