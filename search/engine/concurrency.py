"""How many requests may be in work at once, learnt from how long they take."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Condition
from time import monotonic

#: Requests after which the limit is thought over; the 95th percentile of 40 is the second longest.
WINDOW = 40
#: A window that fills more slowly says nothing about load; ours.
WINDOW_S = 30.0
#: What is left of the limit after a slow window (multiplicative decrease); ours.
BACK_OFF = 0.75


@dataclass(frozen=True)
class Bounds:
    """Between what a limit moves, and what it is to hold.

    Attributes
    ----------
    low, high : int
        Least and greatest number of requests in work.
    target_s : float
        The 95th percentile of their durations that is to be kept.
    patience_s : float
        How long a request waits for its turn before it is turned away.
    """

    low: int
    high: int
    target_s: float
    patience_s: float


class Full(Exception):
    """No turn came within the patience; ``retry_after_s`` says when to come back."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"no turn came; come back in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class Gate:
    """Lets through as many requests at once as finish in time; safe for threads.

    Additive increase, multiplicative decrease (Chiu and Jain, 1989), once per window: a window
    whose 95th percentile misses the target takes a quarter off the limit, a window that kept it
    and used the whole limit adds one.
    """

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self._limit = float(bounds.high)
        self._turn = Condition()
        self._n_inside = 0
        self._n_waiting = 0
        self._was_full = False
        self._durations_s: list[float] = []
        self._since = monotonic()
        self._p95_s = 0.0

    @property
    def limit(self) -> int:
        """How many may be inside now."""
        return int(self._limit)

    @property
    def n_inside(self) -> int:
        """How many are inside now."""
        return self._n_inside

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold one of the places for the time of a ``with`` block.

        Raises
        ------
        Full
            When none came free within the patience.
        """
        self._enter()
        started = monotonic()
        try:
            yield
        finally:
            self._leave(monotonic() - started)

    def _enter(self) -> None:
        with self._turn:
            if self._n_inside >= self.limit:
                self._was_full = True
                self._wait()
            self._n_inside += 1

    def _wait(self) -> None:
        # Whoever waits longer than two rounds of all places would only grow old.
        if self._n_waiting >= 2 * self.bounds.high:
            raise Full(self._retry_after_s())
        self._n_waiting += 1
        try:
            free = self._turn.wait_for(lambda: self._n_inside < self.limit, self.bounds.patience_s)
        finally:
            self._n_waiting -= 1
        if not free:
            raise Full(self._retry_after_s())

    def _leave(self, duration_s: float) -> None:
        with self._turn:
            self._n_inside -= 1
            self._note(duration_s)
            if self._n_waiting:
                self._turn.notify()

    def _note(self, duration_s: float) -> None:
        moment = monotonic()
        if moment - self._since > WINDOW_S:
            self._begin(moment)
        self._durations_s.append(duration_s)
        if len(self._durations_s) < WINDOW:
            return
        self._p95_s = percentile_95(self._durations_s)
        if self._p95_s > self.bounds.target_s:
            self._limit = max(float(self.bounds.low), self._limit * BACK_OFF)
        elif self._was_full:
            self._limit = min(float(self.bounds.high), self._limit + 1)
        self._begin(moment)

    def _begin(self, moment: float) -> None:
        self._durations_s.clear()
        self._was_full = False
        self._since = moment

    def _retry_after_s(self) -> int:
        return max(1, math.ceil(2 * self._p95_s))


def percentile_95(values: list[float]) -> float:
    """Return the smallest value that at least 95 % of the values do not exceed (nearest rank)."""
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]
