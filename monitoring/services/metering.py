"""Reads what this machine and the runs on it use; rates are taken between two readings."""

import contextlib
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import psutil


@dataclass(frozen=True)
class Used:
    """What was used between two readings.

    Attributes
    ----------
    cpu_cores
        Cores that were busy, on average.
    memory_bytes
        Held at the second reading.
    read_bytes_s, written_bytes_s
        From and to disks, a second.
    free_bytes
        Of the disk; None for a run.
    """

    cpu_cores: float
    memory_bytes: int
    read_bytes_s: float
    written_bytes_s: float
    free_bytes: int | None = None


@dataclass(frozen=True)
class _Total:
    """What was used since some beginning."""

    at_s: float
    cpu_s: float
    read_bytes: int
    written_bytes: int


def _between(before: _Total, now: _Total, memory_bytes: int, free_bytes: int | None) -> Used:
    """Return rates; a total that fell, as when a child ended, counts as no use."""
    seconds = max(now.at_s - before.at_s, 1e-3)
    return Used(
        cpu_cores=max(0.0, now.cpu_s - before.cpu_s) / seconds,
        memory_bytes=memory_bytes,
        read_bytes_s=max(0, now.read_bytes - before.read_bytes) / seconds,
        written_bytes_s=max(0, now.written_bytes - before.written_bytes) / seconds,
        free_bytes=free_bytes,
    )


class HostMeter:
    """Meters the whole machine.

    Parameters
    ----------
    folder
        On the disk whose room is told.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._before: _Total | None = None

    def read(self) -> Used | None:
        """Return what was used since the last reading; None at the first."""
        times = psutil.cpu_times()
        idle_s = times.idle + getattr(times, "iowait", 0.0)
        # Guests' time is part of that of users.
        busy_s = sum(times) - idle_s - getattr(times, "guest", 0) - getattr(times, "guest_nice", 0)
        disks = psutil.disk_io_counters()
        now = _Total(
            time.monotonic(),
            busy_s,
            disks.read_bytes if disks else 0,
            disks.write_bytes if disks else 0,
        )
        before, self._before = self._before, now
        if before is None:
            return None
        memory = psutil.virtual_memory()
        free_bytes = shutil.disk_usage(self._folder).free
        return _between(before, now, memory.total - memory.available, free_bytes)


class RunMeter:
    """Meters the process that works on a run, and its children."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._before: _Total | None = None

    def read(self) -> Used | None:
        """Return what was used since the last reading; None at the first, or without a process."""
        try:
            root = psutil.Process(self._pid)
            processes = [root, *root.children(recursive=True)]
        except psutil.Error:
            self._before = None
            return None
        cpu_s, memory_bytes, read_bytes, written_bytes = 0.0, 0, 0, 0
        for process in processes:
            with contextlib.suppress(psutil.Error), process.oneshot():
                times = process.cpu_times()
                cpu_s += times.user + times.system
                memory_bytes += process.memory_info().rss
                disk = process.io_counters()
                read_bytes += disk.read_bytes
                written_bytes += disk.write_bytes
        now = _Total(time.monotonic(), cpu_s, read_bytes, written_bytes)
        before, self._before = self._before, now
        return None if before is None else _between(before, now, memory_bytes, None)


class RunMeters:
    """Meters every run that works on this machine."""

    def __init__(self) -> None:
        self._meters: dict[UUID, RunMeter] = {}

    def read(self, at_work: Mapping[UUID, int]) -> dict[UUID, Used]:
        """Return what each run used since its last reading.

        Parameters
        ----------
        at_work
            Process id by run; runs that are no longer named are forgotten.
        """
        self._meters = {
            run_id: self._meters.get(run_id) or RunMeter(pid) for run_id, pid in at_work.items()
        }
        found = {run_id: meter.read() for run_id, meter in self._meters.items()}
        return {run_id: used for run_id, used in found.items() if used is not None}
