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
