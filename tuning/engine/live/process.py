"""The engine's process from outside: found by the lock that it holds, metered through /proc.

Source: proc(5), ``/proc/locks``; RocksDB holds a lock on the file ``LOCK`` while it is open.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

_LOCKS = Path("/proc/locks")
_PID, _FILE = 4, 5


@dataclass(frozen=True)
class Used:
    """What a process used, on average since the last reading; None where it may not be read."""

    cpu_cores: float
    memory_bytes: int
    read_bytes_s: float | None
    written_bytes_s: float | None


def holder(lock: Path) -> int | None:
    """Return the process that has a file locked; None when nobody does, or nobody visible."""
    try:
        status, text = lock.stat(), _LOCKS.read_text("ascii", errors="replace")
    except OSError:
        return None
    exact = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    rows = [row for line in text.splitlines() if len(row := line.split()) > _FILE]
    same = [row for row in rows if row[_FILE] == exact]
    # Some file systems show another device there than to stat.
    same = same or [row for row in rows if row[_FILE].rpartition(":")[2] == str(status.st_ino)]
    pids = {int(row[_PID]) for row in same if row[_PID].isdigit()} - {0}
    return pids.pop() if len(pids) == 1 else None


class Meter:
    """Meters one process after the other."""

    def __init__(self) -> None:
        self._process: psutil.Process | None = None
        self._before: tuple[float, float, int | None, int | None] | None = None

    def read(self, pid: int | None) -> Used | None:
        """Return what a process used since the last reading; None at the first of each."""
        if pid is None or not self._holds(pid) or self._process is None:
            self._process = self._before = None
            return None
        try:
            with self._process.oneshot():
                times = self._process.cpu_times()
                memory = self._process.memory_info().rss
                now = (time.monotonic(), times.user + times.system, *_disk(self._process))
        except psutil.Error:
            self._process = self._before = None
            return None
        before, self._before = self._before, now
        if before is None:
            return None
        seconds = max(now[0] - before[0], 1e-3)
        return Used(
            max(0.0, now[1] - before[1]) / seconds,
            memory,
            _speed(before[2], now[2], seconds),
            _speed(before[3], now[3], seconds),
        )

    def _holds(self, pid: int) -> bool:
        if self._process is not None and self._process.pid == pid:
            return self._process.is_running()
        self._before = None
        try:
            self._process = psutil.Process(pid)
        except psutil.Error:
            self._process = None
        return self._process is not None


def _disk(process: psutil.Process) -> tuple[int | None, int | None]:
    try:
        counted = process.io_counters()
    except psutil.Error:  # another user's
        return None, None
    return counted.read_bytes, counted.write_bytes


def _speed(before: int | None, now: int | None, seconds: float) -> float | None:
    return None if before is None or now is None else max(0, now - before) / seconds
