"""What a chart shows, as frozen data. Values that are not finite are left out of every drawing."""

from collections.abc import Sequence
from dataclasses import dataclass

#: Okabe and Ito (2008): told apart by readers with any colour vision, also in print.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5f5f5f", "#8b6d00")
INK, FAINT, GRID, PAPER = "#1f2937", "#4b5563", "#e5e7eb", "#ffffff"


def colour(place: int) -> str:
    """Return the colour of the series at a place; they repeat after eight."""
    return COLOURS[place % len(COLOURS)]


@dataclass(frozen=True)
class Axes:
    """The names of both axes, with units, where they are logarithmic, and whether y begins at 0."""

    x: str = ""
    y: str = ""
    log_x: bool = False
    log_y: bool = False
    from_zero: bool = False


@dataclass(frozen=True)
class Series:
    """Points of one name.

    Attributes
    ----------
    x, y : sequence of float
        Of one length.
    low, high : sequence of float
        Interval around ``y``; empty for none.
    labels : sequence of str
        What each point is, shown by the interactive drawing.
    gap : float
        Points of a line further apart than this are not joined; 0 joins all. Static drawing only.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    labels: Sequence[str] = ()
    gap: float = 0.0


@dataclass(frozen=True)
class Lines:
    """Series joined by lines, with intervals as bands."""

    axes: Axes
    series: Sequence[Series]


@dataclass(frozen=True)
class Scatter:
    """Series of dots.

    Attributes
    ----------
    front : sequence of (float, float)
        Points joined by a stepped line, as a Pareto front.
    front_name : str
    """

    axes: Axes
    series: Sequence[Series]
    front: Sequence[tuple[float, float]] = ()
    front_name: str = ""


@dataclass(frozen=True)
class Bars:
    """Horizontal bars, one a label, with intervals where given."""

    axes: Axes
    labels: Sequence[str]
    values: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()


@dataclass(frozen=True)
class Histogram:
    """Counts between edges; there is one edge more than counts."""

    axes: Axes
    edges: Sequence[float]
    counts: Sequence[float]


@dataclass(frozen=True)
class Box:
    """Five quantiles: 5, 25, 50, 75 and 95 per cent."""

    label: str
    low: float
    first: float
    middle: float
    third: float
    high: float


@dataclass(frozen=True)
class Boxes:
    """Boxes beside each other, one a label, lying."""

    axes: Axes
    boxes: Sequence[Box]


Chart = Lines | Scatter | Bars | Histogram | Boxes
