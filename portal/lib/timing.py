"""Locks of a machine: the one under which something is timed, and others that parts name."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

#: How often a lock that another holds is tried again; ours.
POLL_S = 0.2


@contextmanager
def alone(home: Path, check: Callable[[], None]) -> Iterator[None]:
    """Hold the lock; the system lets go of it when its holder dies.

    Parameters
    ----------
    home
        Folder of the portal's state on this machine.
    check
        Called while another holds the lock; what it raises ends the wait.
    """
    with held(home / "timing.lock", check):
        yield


@contextmanager
def held(path: Path, check: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of a file as `alone` holds the one for timing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        while True:
            try:
                flock(lock, LOCK_EX | LOCK_NB)
                break
            except BlockingIOError:
                check()
                time.sleep(POLL_S)
        yield  # closing the file lets go
