"""Which configuration to take: the Pareto front and a recommendation."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from search.lab.engine.analysis.points import Point, sound
from search.lab.engine.matrix import Cell
from search.lab.engine.statistics import Figure

#: How sure it is that a choice is the fastest: nothing else meets the wishes, surely, the next best
#: may be as fast, not known as with one pass, or not to be known as the samples are damaged.
ONLY, SURELY, EVEN, UNKNOWN, DAMAGED = "only", "surely", "even", "unknown", "damaged"

#: Returns the 95th percentile of one cell over that of another, None where it is not known.
Ratio = Callable[[Point, Point], Figure | None]


class SamplesDamaged(Exception):
    """Two cells cannot be compared: the samples of one are damaged or lost."""


@dataclass(frozen=True)
class Recommendation:
    """What to take and why.

    Attributes
    ----------
    point : Point or None
        None where no cell meets the wishes.
    reason : str
        Code of the sentence: ``fastest``, ``only`` or ``none``.
    runner_up : Point or None
        The next best that meets them.
    n_meeting, n_considered : int
    lead : Figure or None
        The 95th percentile of the next best over that of the choice, over the passes of both.
    is_recall_sure : bool
        False where the recall is reached, but its interval holds less as well.
    is_damaged : bool
        Whether samples that would tell the lead are damaged or lost.
    """

    point: Point | None
    reason: str
    runner_up: Point | None
    n_meeting: int
    n_considered: int
    lead: Figure | None = None
    is_recall_sure: bool = True
    is_damaged: bool = False

    @property
    def sureness(self) -> str:
        """How sure it is that the choice is the fastest: `ONLY`, `SURELY`, `EVEN` and so on."""
        if self.runner_up is None:
            return ONLY
        if self.is_damaged:
            return DAMAGED
        if self.lead is None:
            return UNKNOWN
        return SURELY if self.lead.low > 1 else EVEN


@dataclass(frozen=True)
class Limits:
    """What somebody asks of a choice.

    Attributes
    ----------
    min_recall : float or None
        Least mean recall@10; None for what the campaign names, or else 0.95.
    max_p95_ms, max_memory_mb : float or None
        None for no limit.
    each_length : bool
        Whether a choice is wanted for each length of the vectors: recall does not say what shorter
        ones lose.
    """

    min_recall: float | None = None
    max_p95_ms: float | None = None
    max_memory_mb: float | None = None
    each_length: bool = False


@dataclass(frozen=True, order=True)
class Need:
    """What somebody has to search, which no engine or parameter changes.

    Attributes
    ----------
    scale : int
        Passages.
    search_type : str
    filter_share : float
        1 for no filter.
    dimension : int or None
        Length of the vectors, None where it is part of the choice.
    """

    scale: int
    search_type: str
    filter_share: float
    dimension: int | None = None

    @classmethod
    def of(cls, cell: Cell, *, each_length: bool = False) -> "Need":
        """Return the need that a cell answers."""
        length = cell.dimension if each_length else None
        return cls(cell.scale, cell.search_type, cell.filter_share or 1.0, length)


def by_need(points: Sequence[Point], *, each_length: bool = False) -> dict[Need, list[Point]]:
    """Return the points that answer one need together: only these are a choice."""
    found: dict[Need, list[Point]] = {}
    for point in points:
        found.setdefault(Need.of(point.cell, each_length=each_length), []).append(point)
    return dict(sorted(found.items()))


def pareto(points: Sequence[Point]) -> list[Point]:
    """Return the sound cells that no other of the same need beats at once in all that counts.

    That is recall, latency and, where both tell it, memory. A small corpus is no better choice
    than a large one.
    """
    own = sound(points)
    known = by_need(own)
    return [one for one in own if not any(_beats(other, one) for other in known[Need.of(one.cell)])]


def recommend(
    points: Sequence[Point],
    *,
    min_recall: float = 0.95,
    max_p95_ms: float | None = None,
    max_memory_mb: float | None = None,
    ratio: Ratio = lambda _slower, _faster: None,
) -> Recommendation:
    """Return the fastest sound cell that meets the wishes; `by_need` gives points of one need.

    Cells that surely reach the recall come first; where there is none, those that may.

    Parameters
    ----------
    min_recall : float
        Least mean recall@10.
    max_p95_ms, max_memory_mb : float or None
        Limits; None for none.
    ratio : callable
        Tells how the next best compares; may raise `SamplesDamaged`.
    """
    known = sound(points)
    allowed = [
        point
        for point in known
        if (max_p95_ms is None or point.p95_ms <= max_p95_ms)
        and (max_memory_mb is None or point.memory_mb <= max_memory_mb)
    ]
    sure = [point for point in allowed if point.surely_reaches(min_recall)]
    meeting = sure or [point for point in allowed if point.recall_at_10 >= min_recall]
    meeting.sort(key=lambda point: (point.p95_ms, point.memory_mb))
    if not meeting:
        return Recommendation(None, "none", None, 0, len(known))
    first, *others = meeting
    lead, is_damaged = None, False
    if others:
        try:
            lead = ratio(others[0], first)
        except SamplesDamaged:
            is_damaged = True
    return Recommendation(
        first,
        "fastest" if others else "only",
        others[0] if others else None,
        len(meeting),
        len(known),
        lead,
        is_recall_sure=bool(sure),
        is_damaged=is_damaged,
    )


def _beats(one: Point, other: Point) -> bool:
    ours, theirs = [-one.recall_at_10, one.p50_ms], [-other.recall_at_10, other.p50_ms]
    if not math.isnan(one.memory_mb) and not math.isnan(other.memory_mb):
        ours.append(one.memory_mb)
        theirs.append(other.memory_mb)
    return all(a <= b for a, b in zip(ours, theirs, strict=True)) and ours != theirs
