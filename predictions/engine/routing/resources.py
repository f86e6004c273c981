"""Where a step is done: work centres by similar items and by day. NumPy only.

Machines come and go. A work centre counts as open from its first to its last use in the routings
(with some grace); only open ones are proposed, unless none is.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from predictions.engine.routing.book import RoutingBook, StepBook

#: Most similar items with an operation that vote on its work centre.
N_VOTERS = 15
#: Days before its first and after its last use in which a work centre counts as open. Ours.
GRACE_DAYS = 120


@dataclass(frozen=True)
class Resources:
    """Work centres by step, and when they were in use.

    Attributes
    ----------
    book : RoutingBook
    steps : StepBook
    first_day, last_day : int32 arrays, shape [n_work_centers]
        Days since 1970-01-01 of first and last use.
    """

    book: RoutingBook
    steps: StepBook
    first_day: NDArray[np.int32]
    last_day: NDArray[np.int32]

    @cached_property
    def _by_step(self) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
        """Rows of the step book by step number: (offsets, items, rows)."""
        counts = np.diff(self.steps.offsets)
        items = np.repeat(np.arange(len(counts)), counts)
        places = np.arange(len(items)) - np.repeat(self.steps.offsets[:-1], counts)
        numbers = self.book.sequences[self.book.item_routing[items], places]
        order = np.argsort(numbers, kind="stable")
        offsets = np.searchsorted(numbers[order], np.arange(self.book.n_steps + 1))
        return offsets, items[order], order

    def choose(self, step: int, similarity: NDArray[np.float32], sharpness: float, day: int) -> int:
        """Return the number of the work centre that similar items use for a step.

        Parameters
        ----------
        step : int
            Step number.
        similarity : float32 array, shape [n_items]
            Of the item to every known one.
        sharpness : float
            Of a vote (see `voting.vote`).
        day : int
            On which day, since 1970-01-01.
        """
        offsets, items, rows = self._by_step
        own = slice(int(offsets[step]), int(offsets[step + 1]))
        places = self.steps.work_center[rows[own]]
        near = similarity[items[own]]
        is_open = (self.first_day[places] - GRACE_DAYS <= day) & (
            day <= self.last_day[places] + GRACE_DAYS
        )
        if is_open.any():
            places, near = places[is_open], near[is_open]
        if len(near) > N_VOTERS:
            best = np.argpartition(-near, N_VOTERS - 1)[:N_VOTERS]
            places, near = places[best], near[best]
        weights = np.exp(sharpness * (near - near.max()).astype(np.float64))
        return int(np.bincount(places, weights).argmax())


def open_days(steps: StepBook) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return first and last day of use of every work centre; the last is open-ended if recent.

    A work centre used in the last `GRACE_DAYS` of the table is still open.
    """
    n = len(steps.work_centers)
    days = np.repeat(steps.valid_from, np.diff(steps.offsets))
    first = np.full(n, np.iinfo(np.int32).max, dtype=np.int32)
    last = np.full(n, np.iinfo(np.int32).min, dtype=np.int32)
    np.minimum.at(first, steps.work_center, days)
    np.maximum.at(last, steps.work_center, days)
    last[last >= days.max(initial=0) - GRACE_DAYS] = np.iinfo(np.int32).max - GRACE_DAYS
    return first, last
