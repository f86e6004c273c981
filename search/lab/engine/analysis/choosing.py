"""Which configuration to take: the Pareto front and a recommendation."""

from collections.abc import Sequence
from dataclasses import dataclass

from search.lab.engine.analysis.points import Point, sound
from search.lab.engine.matrix import Cell


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
    """

    point: Point | None
    reason: str
    runner_up: Point | None
    n_meeting: int
    n_considered: int


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
    """

    scale: int
    search_type: str
    filter_share: float

    @classmethod
    def of(cls, cell: Cell) -> "Need":
        """Return the need that a cell answers."""
        return cls(cell.scale, cell.search_type, cell.filter_share or 1.0)


def by_need(points: Sequence[Point]) -> dict[Need, list[Point]]:
    """Return the points that answer one need together: only these are a choice."""
    found: dict[Need, list[Point]] = {}
    for point in points:
        found.setdefault(Need.of(point.cell), []).append(point)
    return dict(sorted(found.items()))


def pareto(points: Sequence[Point]) -> list[Point]:
    """Return the sound cells that no other of the same need beats at once in all that counts.

    That is recall, latency and memory. A small corpus is no better choice than a large one.
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
) -> Recommendation:
    """Return the fastest sound cell that meets the wishes; `by_need` gives points of one need.

    Parameters
    ----------
    min_recall : float
        Least mean recall@10.
    max_p95_ms, max_memory_mb : float or None
        Limits; None for none.
    """
    known = sound(points)
    meeting = [
        point
        for point in known
        if point.recall_at_10 >= min_recall
        and (max_p95_ms is None or point.p95_ms <= max_p95_ms)
        and (max_memory_mb is None or point.memory_mb <= max_memory_mb)
    ]
    meeting.sort(key=lambda point: (point.p95_ms, point.memory_mb))
    if not meeting:
        return Recommendation(None, "none", None, 0, len(known))
    reason = "fastest" if len(meeting) > 1 else "only"
    runner_up = meeting[1] if len(meeting) > 1 else None
    return Recommendation(meeting[0], reason, runner_up, len(meeting), len(known))


def _beats(one: Point, other: Point) -> bool:
    ours = (-one.recall_at_10, one.p50_ms, one.memory_mb)
    theirs = (-other.recall_at_10, other.p50_ms, other.memory_mb)
    return all(a <= b for a, b in zip(ours, theirs, strict=True)) and ours != theirs
