"""Coordinates of a picture of days: how many shots each, and what share was called a defect."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 720.0, 200.0
LEFT, RIGHT, TOP, BOTTOM = 44.0, 10.0, 12.0, 28.0
#: Labels that have room under the picture; ours.
MOST_LABELS = 8
N_STEPS = 2


@dataclass(frozen=True)
class Column:
    """One day: its bar, and where the share lies."""

    x: float
    width: float
    y: float
    height: float
    middle: float
    share_y: float
    label: str
    text: str


@dataclass(frozen=True)
class Tick:
    """A mark of an axis."""

    y: float
    share: float


@dataclass(frozen=True)
class Trend:
    """Everything that is drawn.

    Attributes
    ----------
    columns : tuple of Column
        Labels are empty where there is no room for them.
    line : str
        Points of the share, day by day.
    ticks : tuple of Tick
        Of the share.
    """

    columns: tuple[Column, ...]
    line: str
    ticks: tuple[Tick, ...]
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    bottom: float = HEIGHT - BOTTOM


def trend(days: Sequence[tuple[str, int, float, str]]) -> Trend:
    """Lay days out side by side.

    Parameters
    ----------
    days
        Label, number of shots, share of defects in [0, 1] and the sentence that reads the day out.
    """
    room, floor = HEIGHT - TOP - BOTTOM, HEIGHT - BOTTOM
    most = max((n for _label, n, _share, _text in days), default=1) or 1
    top = _scale(max((share for _label, _n, share, _text in days), default=0.0))
    step = (WIDTH - LEFT - RIGHT) / max(len(days), 1)
    every = -(-len(days) // MOST_LABELS) or 1
    columns = tuple(
        Column(
            x=round(LEFT + place * step + step * 0.15, 2),
            width=round(min(step * 0.7, 48.0), 2),
            y=round(floor - room * n / most, 2),
            height=round(room * n / most, 2),
            middle=round(LEFT + place * step + step * 0.15 + min(step * 0.7, 48.0) / 2, 2),
            share_y=round(floor - room * share / top, 2),
            label=label if place % every == 0 else "",
            text=text,
        )
        for place, (label, n, share, text) in enumerate(days)
    )
    ticks = tuple(
        Tick(round(floor - room * part / N_STEPS, 2), top * part / N_STEPS)
        for part in range(N_STEPS + 1)
    )
    line = " ".join(f"{one.middle:g},{one.share_y:g}" for one in columns)
    return Trend(columns, line if len(columns) > 1 else "", ticks)


def _scale(share: float) -> float:
    """Return the round share that the axis ends at."""
    return next(end for end in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0) if share <= end)
