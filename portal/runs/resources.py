"""What a piece of work used: peak memory and CPU seconds, children included."""

import contextlib
import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

CLEAR_REFS = Path("/proc/self/clear_refs")
STATUS = Path("/proc/self/status")
RESET_PEAK = "5"


@dataclass(frozen=True)
class Usage:
    """What was used since the meter started.

    Attributes
    ----------
    peak_memory_bytes
        Highest resident memory of the process, plus that of its children as far as it was sampled.
    cpu_seconds
        User and system time of the process and its children.
    """

    peak_memory_bytes: int
    cpu_seconds: float


def _reset_peak() -> None:
    """Make the kernel forget the peak of earlier work in this process; not every system can."""
    with contextlib.suppress(OSError):
        CLEAR_REFS.write_text(RESET_PEAK)


def _peak_bytes() -> int:
    """Return the highest resident size since the last reset, or ever where there is none."""
    try:
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _finished_children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _living_children() -> tuple[int, float]:
    """Return the resident bytes and CPU seconds of the children that live now."""
    n_bytes, seconds = 0, 0.0
    for child in psutil.Process(os.getpid()).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            n_bytes += child.memory_info().rss
            times = child.cpu_times()
            seconds += times.user + times.system
    return n_bytes, seconds


class Meter:
    """Measures one run in a process that may have done other work before."""

    def __init__(self) -> None:
        _reset_peak()
        self._own_start_s = time.process_time()
        self._children_start_s = _finished_children_s()
        self._children_peak_bytes = 0

    def read(self) -> Usage:
        """Return the use so far; call now and then, since children are sampled."""
        n_bytes, living_s = _living_children()
        self._children_peak_bytes = max(self._children_peak_bytes, n_bytes)
        own_s = time.process_time() - self._own_start_s
        children_s = _finished_children_s() - self._children_start_s + living_s
        return Usage(_peak_bytes() + self._children_peak_bytes, round(own_s + children_s, 3))
