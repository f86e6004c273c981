"""A routing as the engine sees it: steps in order with their times. NumPy only."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

EPOCH = date(1970, 1, 1)

Operations = tuple[str, ...]


@dataclass(frozen=True)
class Routing:
    """One dated version of one alternate of an item's routing.

    Attributes
    ----------
    operations, work_centers : tuple of str
        By sequence.
    setup_minutes, run_minutes : float64 arrays, shape [n_steps]
        Minutes a lot and minutes a piece.
    sequences : tuple of int
        The numbers in the table.
    valid_from : int
        Days since 1970-01-01.
    """

    operations: Operations
    work_centers: tuple[str, ...]
    setup_minutes: NDArray[np.float64]
    run_minutes: NDArray[np.float64]
    sequences: tuple[int, ...]
    valid_from: int

    @property
    def total_minutes(self) -> float:
        """Setup and run time of all steps for one piece."""
        return float(self.setup_minutes.sum() + self.run_minutes.sum())


def to_days(day: date) -> int:
    """Return days since 1970-01-01."""
    return (day - EPOCH).days


def to_date(days: float) -> date:
    """Return the date of a number of days since 1970-01-01."""
    return EPOCH + timedelta(days=int(days))


def tokens(operations: Operations) -> tuple[tuple[str, int], ...]:
    """Return operations with how often each occurred before, so that repeats stay apart.

    Turning, grinding, turning becomes (turning, 0), (grinding, 0), (turning, 1).
    """
    seen: dict[str, int] = {}
    marked: list[tuple[str, int]] = []
    for operation in operations:
        marked.append((operation, seen.get(operation, 0)))
        seen[operation] = seen.get(operation, 0) + 1
    return tuple(marked)
