"""What every drift detector offers, and the two ways most of them are made.

A detector compares the values in a window with a reference and returns one number: the larger, the
farther apart. What number is too large is learnt from quiet streams (:mod:`calibration`), never
fixed here. `path` is what the number does while a window moves along a stream.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from monitoring.engine.reference import Column, Floats, NotEnough
from monitoring.engine.schedule import Schedule

R_contra = TypeVar("R_contra", contravariant=True)
#: Numbers held at once while streams are drawn; 256 MiB.
MOST_NUMBERS = 1 << 25
#: What is added to a count (Krichevsky and Trofimov 1981).
HALF = 0.5


class Fitted(Protocol):
    """A detector that knows its reference."""

    def statistic(self, values: Floats) -> float:
        """Return how far the values in a window, in order of time, are from the reference.

        Raises
        ------
        NotEnough
            For an empty window.
        """
        ...

    def path(self, stream: Floats, schedule: Schedule) -> Floats:
        """Return the statistic at every look, float [n_looks]; the first when a window is full."""
        ...

    def quiet_maxima(
        self, schedule: Schedule, *, length: int, n_streams: int, rng: np.random.Generator
    ) -> Floats:
        """Return the largest statistic of streams drawn from the reference, float [n_streams].

        The reference is drawn anew for each stream: it, too, is a sample.
        """
        ...


class Detector(Protocol[R_contra]):
    """A way to tell how far a window is from a reference.

    Attributes
    ----------
    name : str
        Its word in settings and reports.
    is_ordered : bool
        Whether the order of the values in the window counts.
    """

    @property
    def name(self) -> str: ...

    @property
    def is_ordered(self) -> bool: ...

    def fit(self, reference: R_contra) -> Fitted:
        """Return the detector for one reference."""
        ...


class Additive(ABC):
    """A statistic of a sum over the window, so that moving the window costs next to nothing."""

    @abstractmethod
    def summary(self, values: Floats) -> Floats:
        """Return what is known of some values, float [size]; summaries of parts add up."""

    @abstractmethod
    def distance(self, reference: Floats, window: Floats) -> Floats:
        """Return the statistic for summaries of any leading shape, float [...]."""

    @property
    @abstractmethod
    def reference(self) -> Floats:
        """The summary of the reference, float [size]."""

    @abstractmethod
    def draw(self, rng: np.random.Generator, n_values: int, size: tuple[int, ...]) -> Floats:
        """Return summaries of values drawn from the reference, float [*size, summary]."""

    @property
    @abstractmethod
    def n_reference(self) -> int:
        """How many values the reference was made of."""

    def statistic(self, values: Floats) -> float:
        if not len(values):
            raise NotEnough("An empty window cannot be compared.")
        return float(self.distance(self.reference, self.summary(values)))

    def path(self, stream: Floats, schedule: Schedule) -> Floats:
        n_steps = len(stream) // schedule.step
        if not schedule.n_looks(len(stream)):
            return np.empty(0)
        steps = np.stack(
            [self.summary(part) for part in np.split(stream[: n_steps * schedule.step], n_steps)]
        )
        return self.distance(self.reference, moving(steps, schedule.n_steps))

    def quiet_maxima(
        self, schedule: Schedule, *, length: int, n_streams: int, rng: np.random.Generator
    ) -> Floats:
        n_steps = length // schedule.step
        size = len(self.reference)
        at_once = max(1, min(n_streams, MOST_NUMBERS // (n_steps * size)))
        found = []
        for first in range(0, n_streams, at_once):
            n = min(at_once, n_streams - first)
            steps = self.draw(rng, schedule.step, (n, n_steps))
            own = self.draw(rng, self.n_reference, (n, 1))
            found.append(self.distance(own, moving(steps, schedule.n_steps)).max(axis=1))
        return np.concatenate(found)


def moving(steps: Floats, n_steps: int) -> Floats:
    """Return sums over every n_steps steps in a row.

    Parameters
    ----------
    steps : float array, shape [..., n, size]
    n_steps : int
        At most n.

    Returns
    -------
    float array, shape [..., n - n_steps + 1, size]
    """
    total = np.cumsum(steps, axis=-2)
    sums = total[..., n_steps - 1 :, :].copy()
    sums[..., 1:, :] -= total[..., :-n_steps, :]
    return sums


def drawn_sums(
    rng: np.random.Generator, each: Floats, n_values: int, size: tuple[int, ...]
) -> Floats:
    """Return sums of rows drawn with replacement.

    Parameters
    ----------
    rng
        Draws the rows.
    each : float array, shape [n, d]
        The rows.
    n_values : int
        Rows in each sum.
    size : tuple of int
        How many sums.

    Returns
    -------
    float array, shape [*size, d]
    """
    total = np.zeros((*size, each.shape[1]))
    for _ in range(n_values):
        total += each[rng.integers(0, len(each), size)]
    return total


@dataclass(frozen=True, eq=False)
class Binned(Additive, ABC):
    """A statistic of how many values fall into each quantile bin.

    Attributes
    ----------
    column : Column
        The reference.
    """

    column: Column

    def summary(self, values: Floats) -> Floats:
        return self.column.count(values).astype(np.float64)

    @property
    def reference(self) -> Floats:
        return self.column.counts.astype(np.float64)

    @property
    def n_reference(self) -> int:
        return self.column.n_rows

    def draw(self, rng: np.random.Generator, n_values: int, size: tuple[int, ...]) -> Floats:
        counts = self.column.counts.astype(np.float64)
        if np.count_nonzero(counts) == 1:
            # Nothing else was met so far, which does not make one strange value drift.
            counts += HALF
        return rng.multinomial(n_values, counts / counts.sum(), size).astype(np.float64)


@dataclass(frozen=True)
class Plain:
    """A detector of one column whose fitted form needs nothing but the column.

    Attributes
    ----------
    name : str
    fitted : callable
        Makes the fitted form of a column.
    is_ordered : bool
    """

    name: str
    fitted: Callable[[Column], Fitted]
    is_ordered: bool = False

    def fit(self, reference: Column) -> Fitted:
        """Return the detector for one reference."""
        return self.fitted(reference)


def smoothed(reference: Floats, window: Floats) -> tuple[Floats, Floats]:
    """Return shares of bins with half a value added to each.

    Half a value is the estimate of Krichevsky and Trofimov (1981). A bin that is empty on both
    sides does not count.

    Parameters
    ----------
    reference, window : float array, shape [..., k]
        Counts.

    Returns
    -------
    tuple of float array, shape [..., k]
        Of reference and window; 1 in bins that do not count, where no ratio differs from 1.
    """
    counts = (reference + window) > 0
    half = HALF * counts
    n_half = np.maximum(half.sum(axis=-1, keepdims=True), HALF)
    p = (reference + half) / (reference.sum(axis=-1, keepdims=True) + n_half)
    q = (window + half) / (window.sum(axis=-1, keepdims=True) + n_half)
    return np.where(counts, p, 1.0), np.where(counts, q, 1.0)
