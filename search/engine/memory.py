"""A guard that lets a build wait while the machine is short of memory, and gives up in time."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from search.engine.problems import MemoryShort

#: Ours: one lexical writer, one DuckDB and room for the rest of the machine.
MIN_AVAILABLE_MB = 512
PATIENCE_S = 300.0
_PAUSE_S = 0.25


def available_mb() -> int:
    """Return the memory that can be had without swapping, in MiB."""
    return int(psutil.virtual_memory().available) >> 20


@dataclass(frozen=True)
class MemoryGuard:
    """Returns when there is memory enough, at once as a rule.

    Attributes
    ----------
    min_available_mb : int
        Below so much available memory the caller is made to wait.
    patience_s : float
        After so long the build is given up.
    measure : callable
        Tells the available memory in MiB.
    """

    min_available_mb: int = MIN_AVAILABLE_MB
    patience_s: float = PATIENCE_S
    measure: Callable[[], int] = available_mb

    def __call__(self, check: Callable[[], None] = lambda: None) -> bool:
        """Wait for memory; return whether it had to.

        Parameters
        ----------
        check : callable
            Asked at every turn, so that a waiting build can still be cancelled.

        Raises
        ------
        MemoryShort
            When the patience is used up.
        """
        started = time.monotonic()
        has_waited = False
        while (found := self.measure()) < self.min_available_mb:
            waited = time.monotonic() - started
            if waited >= self.patience_s:
                raise MemoryShort(
                    "memory_short", value=found, limit=self.min_available_mb, waited=waited
                )
            check()
            has_waited = True
            time.sleep(min(_PAUSE_S, self.patience_s))
        return has_waited
