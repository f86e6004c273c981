"""Detectors that read values one after the other.

They know nothing of a reference, so they are made to read some of its values first, and then the
window: a change where the window begins is drift.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from monitoring.engine.reference import Column, Floats, NotEnough
from monitoring.engine.schedule import Schedule

#: Looks while the window is renewed once, in streams drawn to learn what is quiet: all of them take
#: long and two looks close to each other differ little.
N_QUIET_LOOKS = 4


@dataclass(frozen=True, eq=False)
class Ordered(ABC):
    """A statistic of a sequence: values of the reference, then those of the window.

    Attributes
    ----------
    column : Column
        The reference.
    """

    column: Column

    @abstractmethod
    def score(self, quiet: Floats, window: Floats) -> float:
        """Return the statistic for two sequences without missing values, neither empty."""

    @cached_property
    def quiet(self) -> Floats:
        """The values of the reference in units of its spread."""
        return self.scaled(self.column.values)

    def scaled(self, values: Floats) -> Floats:
        """Return the values there are, with the mean and spread of the reference removed."""
        kept = self.column.values
        mean, spread = (float(kept.mean()), float(kept.std())) if len(kept) else (0.0, 1.0)
        seen = values[~np.isnan(values)]
        return (seen - mean) / (spread or 1.0)

    def statistic(self, values: Floats) -> float:
        if not len(values):
            raise NotEnough("An empty window cannot be compared.")
        window = self.scaled(values)
        return self.score(self.quiet, window) if len(window) and len(self.quiet) else 0.0

    def path(self, stream: Floats, schedule: Schedule) -> Floats:
        starts = range(0, schedule.n_looks(len(stream)) * schedule.step, schedule.step)
        return np.array([self.statistic(stream[at : at + schedule.window]) for at in starts])

    def quiet_maxima(
        self, schedule: Schedule, *, length: int, n_streams: int, rng: np.random.Generator
    ) -> Floats:
        if not len(self.quiet):
            return np.zeros(n_streams)
        starts = range(0, length - schedule.window + 1, max(1, schedule.window // N_QUIET_LOOKS))
        return np.array([self._largest(rng, schedule.window, starts) for _ in range(n_streams)])

    def _largest(self, rng: np.random.Generator, window: int, starts: range) -> float:
        own = rng.choice(self.quiet, len(self.quiet))
        stream = rng.choice(self.quiet, starts[-1] + window)
        return max(self.score(own, stream[at : at + window]) for at in starts)
