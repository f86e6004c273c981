"""The measured cells as an analysis reads them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search.lab.engine.matrix import Cell
from search.lab.engine.problems import AnalysisProblem


@dataclass(frozen=True)
class Point:
    """One measured cell in a line.

    Attributes
    ----------
    p50_ms, p95_ms : float
        Wall time of one question at a time.
    recall_at_10 : float
        Against exact search.
    memory_mb : float
        What searching held at most, see `usage.Held`; NaN where it is not known.
    build_s, size_mb : float
        Of the index.
    recall_interval : tuple of (float, float) or None
        Of the recall, 95 %; None where it is not known.
    is_sound : bool
        False where the cell was disturbed, did not use its index, returned too few rows or missed
        the recall asked for: its latency is that of another question, so no analysis counts it.
    """

    cell: Cell
    p50_ms: float
    p95_ms: float
    recall_at_10: float
    memory_mb: float
    build_s: float
    size_mb: float
    is_sound: bool = True
    recall_interval: tuple[float, float] | None = None

    def surely_reaches(self, recall: float) -> bool:
        """Whether the mean recall@10 is at least so much, whatever questions are asked.

        A calibrated breadth has surely reached its target on questions of its own: what was
        measured must only not speak against it.
        """
        low, high = self.recall_interval or (self.recall_at_10, self.recall_at_10)
        target = self.cell.recall
        return (high if target is not None and target >= recall else low) >= recall


def sound(points: Sequence[Point]) -> list[Point]:
    """Return the cells that analyses count."""
    return [point for point in points if point.is_sound]


def needs(points: Sequence[object], limit: int, field: str) -> None:
    """Refuse an analysis of too few cells.

    Raises
    ------
    AnalysisProblem
        If there are fewer than the limit.
    """
    if len(points) < limit:
        raise AnalysisProblem("too_few_samples", field=field, value=len(points), limit=limit)


def log_latency(points: Sequence[Point]) -> NDArray[np.float64]:
    """Return the logarithms of the medians: effects on latency multiply."""
    return np.log([point.p50_ms for point in points])
