"""What a measurement uses: memory, processor time, and how much of the machine others used.

Memory is resident memory at its highest (``VmHWM``), which the kernel is told to forget beforehand.
``ru_maxrss`` does not do: over ``exec`` Linux keeps the peak of the process that started this one.
"""

import gc
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from portal.lib import memory

#: Cores that other work may keep busy while something is timed, before it is timed again. Ours.
MOST_FOREIGN_CORES = 0.3
_CLEAR_REFS = Path("/proc/self/clear_refs")
_FORGET_THE_PEAK = "5"

#: Processes that answer for this one, such as sessions of a database; None where they cannot be
#: seen from here, since they are on another machine or in another container.
Servers = Sequence[int] | None


@dataclass(frozen=True)
class Held:
    """Resident memory in megabytes.

    Attributes
    ----------
    baseline_mb : float
        What this process held before: Python, libraries, questions.
    peak_mb : float
        The most that it held from then on, file pages of a mapped index among it.
    servers_mb : float or None
        The most that the processes held which answered for it, added up; None if not known.
    """

    baseline_mb: float
    peak_mb: float
    servers_mb: float | None = 0.0

    @property
    def engine_mb(self) -> float | None:
        """What was held on top of the baseline, here and by servers; None if not known."""
        if self.servers_mb is None:
            return None
        return max(0.0, self.peak_mb - self.baseline_mb) + self.servers_mb


class Memory:
    """The memory of this process from now on."""

    def __init__(self) -> None:
        gc.collect()
        memory.give_back()
        with suppress(OSError):  # not every system can; then it is the highest since its start
            _CLEAR_REFS.write_text(_FORGET_THE_PEAK)
        self._baseline_mb = _resident_mb(os.getpid(), "VmRSS")

    def held(self, servers: Servers = ()) -> Held:
        """Return what was held at most; servers must still be there."""
        own = _resident_mb(os.getpid(), "VmHWM")
        return Held(self._baseline_mb, own, None if servers is None else highest_mb(servers))


class Busy:
    """How much of the machine others use from now on."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._all, self._own = _busy_s(), time.process_time()

    def foreign_cores(self, helpers_s: float = 0.0) -> float:
        """Return the cores that other processes kept busy, on average.

        Parameters
        ----------
        helpers_s : float
            CPU seconds since then of other processes that belong to what is measured.
        """
        elapsed = time.perf_counter() - self._start
        own = time.process_time() - self._own + helpers_s
        return max(0.0, (_busy_s() - self._all - own) / elapsed)


def highest_mb(servers: Sequence[int]) -> float:
    """Return the most that each of some processes ever held, added up."""
    return sum(_resident_mb(one, "VmHWM") for one in servers)


def cpu_s(servers: Servers) -> float:
    """Return the CPU seconds that processes have used, to a hundredth; 0 for what is not seen."""
    found = 0.0
    for one in servers or ():
        with suppress(psutil.Error):
            times = psutil.Process(one).cpu_times()
            found += times.user + times.system
    return found


def is_called(process: int, name: str) -> bool:
    """Whether a process of this id is seen from here and has that name."""
    try:
        return bool(psutil.Process(process).name() == name)
    except psutil.Error:
        return False


def _busy_s() -> float:
    """Return the CPU seconds of the whole machine; those of guests are among ``user``."""
    times = psutil.cpu_times()
    idle = ("idle", "iowait", "guest", "guest_nice")
    return float(sum(times) - sum(getattr(times, name, 0.0) for name in idle))


def _resident_mb(process: int, name: str) -> float:
    """Return a size of a process' status; where there is no such file, what it holds now."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        line = next(line for line in lines if line.startswith(f"{name}:"))
        return int(line.split()[1]) / 1024
    except (OSError, StopIteration):
        pass
    try:
        return float(psutil.Process(process).memory_info().rss / 2**20)
    except psutil.Error:
        return 0.0
