"""The latest rows of a stream."""

from collections import deque
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from monitoring.engine.schedule import Schedule

Rows32 = NDArray[np.float32]


class Sliding:
    """A ring of whole steps, and the rows that do not make one yet.

    Parameters
    ----------
    schedule
        Window and step.
    n_columns
        Values in each row.
    n_rows
        Rows that went through before.
    """

    def __init__(self, schedule: Schedule, n_columns: int, n_rows: int = 0) -> None:
        self.schedule = schedule
        self.n_rows = n_rows
        self._steps: deque[Rows32] = deque(maxlen=schedule.n_steps)
        self._rest: Rows32 = np.empty((0, n_columns), dtype=np.float32)

    def restore(self, steps: list[Rows32], rest: Rows32) -> None:
        """Take over what a ring held: its latest whole steps, oldest first, and the rest."""
        self._steps.extend(steps)
        self._rest = rest

    def push(self, rows: Rows32) -> Iterator[Rows32]:
        """Add rows; give each step as soon as it is whole and part of the window."""
        step = self.schedule.step
        rows = np.concatenate([self._rest, rows])
        self.n_rows += len(rows) - len(self._rest)
        n_whole = len(rows) // step
        self._rest = rows[n_whole * step :]
        for start in range(0, n_whole * step, step):
            whole = rows[start : start + step]
            self._steps.append(whole)
            yield whole

    @property
    def is_full(self) -> bool:
        """Whether there are enough whole steps for a look."""
        return len(self._steps) == self.schedule.n_steps

    @property
    def window(self) -> Rows32:
        """The rows of the whole steps, oldest first, float32 [n, n_columns]."""
        return np.concatenate(self._steps) if self._steps else self._rest[:0]

    @property
    def rest(self) -> Rows32:
        """Rows that do not make a whole step yet."""
        return self._rest

    @property
    def latest(self) -> Rows32:
        """The latest rows up to a window of them, those of the unfinished step included."""
        rows: Rows32 = np.concatenate([*self._steps, self._rest])
        return rows[-self.schedule.window :]
