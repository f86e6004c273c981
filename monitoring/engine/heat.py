"""Coordinates of a heat map that pages draw as inline SVG."""

from collections.abc import Sequence
from dataclasses import dataclass

CELL_WIDTH, CELL_HEIGHT = 14.0, 16.0
LABEL_WIDTH, HEAD_HEIGHT = 140.0, 20.0
MARK_WIDTH = 30.0
#: Shares beyond which a cell is drawn darker; ours.
STEPS = (0.0, 0.01, 0.05, 0.2, 0.5)


@dataclass(frozen=True)
class Spot:
    """One cell in picture coordinates; `level` 0 is nothing missing."""

    x: float
    y: float
    level: int
    is_over: bool
    text: str


@dataclass(frozen=True)
class Row:
    """One label and its place."""

    label: str
    y: float


@dataclass(frozen=True)
class Mark:
    """One label above the columns."""

    label: str
    x: float


@dataclass(frozen=True)
class HeatMap:
    """Everything a template needs to draw shares by row and column; the labels stand beside it."""

    spots: tuple[Spot, ...]
    rows: tuple[Row, ...]
    marks: tuple[Mark, ...]
    width: float
    height: float
    label_width: float = LABEL_WIDTH
    cell_width: float = CELL_WIDTH - 1
    cell_height: float = CELL_HEIGHT - 1


def level(share: float) -> int:
    """Return how dark a share is drawn: 0 nothing, 5 more than half."""
    return sum(share > step for step in STEPS)


def heat_map(
    labels: Sequence[str],
    shares: Sequence[Sequence[float | None]],
    limits: Sequence[float | None],
    columns: Sequence[str],
    *,
    marked_every: int = 6,
) -> HeatMap:
    """Return the picture of shares.

    Parameters
    ----------
    labels
        Of the rows.
    shares
        In [0, 1] by row and column; None where nothing is known, which stays empty.
    limits
        By row: shares above are drawn as such; None for no limit.
    columns
        What each column is called, in its tooltip and at every so many columns above it.
    """
    spots = tuple(
        Spot(
            j * CELL_WIDTH,
            HEAD_HEIGHT + i * CELL_HEIGHT,
            level(share),
            share > (1.0 if (limit := limits[i]) is None else limit),
            _text(labels[i], columns[j], share),
        )
        for i, row in enumerate(shares)
        for j, share in enumerate(row)
        if share is not None
    )
    rows = tuple(
        Row(label, HEAD_HEIGHT + i * CELL_HEIGHT + CELL_HEIGHT - 4.5)
        for i, label in enumerate(labels)
    )
    marks = tuple(
        Mark(name, j * CELL_WIDTH) for j, name in enumerate(columns) if j % marked_every == 0
    )
    height = HEAD_HEIGHT + len(labels) * CELL_HEIGHT
    # The last mark needs room for its words.
    return HeatMap(spots, rows, marks, len(columns) * CELL_WIDTH + MARK_WIDTH, height)


def _text(label: str, column: str, share: float) -> str:
    return f"{label} · {column}: {100 * share:.1f} %"
