"""A running RocksDB of somebody else's, looked at from outside once a second."""

import math
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tuning.engine.importers.options import OptionsFile
from tuning.engine.live import process
from tuning.engine.live.activity import Activity, read_counts
from tuning.engine.live.figures import Counts, Interval, Sample, between
from tuning.engine.live.folder import Folder, Look
from tuning.engine.live.records import Records
from tuning.engine.live.tail import Tail

#: Statistics at longer intervals than this tell no rate of a second; ours.
LONGEST_INTERVAL_S = 15.0
#: Figures of an interval hold for so many times its length, until the next is overdue; ours.
_HOLDS = 2.5


@dataclass(frozen=True)
class _Before:
    at_s: float
    n_stalls: int
    flushed_bytes: int
    compacted_bytes: int


class Instance:
    """One database folder and the process that has it open.

    Parameters
    ----------
    folder : path
        Of the database; it may appear later.
    log : path, optional
        Its ``LOG``, where ``db_log_dir`` puts it elsewhere.
    statistics : path, optional
        A file that the engine's program writes ``Statistics::ToString`` to.
    pid : int, optional
        Its process; else the one that holds its lock.
    """

    def __init__(
        self,
        folder: Path,
        *,
        log: Path | None = None,
        statistics: Path | None = None,
        pid: int | None = None,
    ) -> None:
        self._folder = Folder(folder)
        self._tail = Tail(log or folder / "LOG")
        self._lock = folder / "LOCK"
        self._given_pid = pid
        self._statistics = _StatisticsFile(statistics) if statistics else None
        self._activity = Activity()
        self._meter = process.Meter()
        self._records = Records()
        self._before: _Before | None = None
        self._n_intervals = 0
        self._interval_at_s = 0.0
        self.pid: int | None = None

    @property
    def version(self) -> str:
        """RocksDB's, empty until the LOG told it."""
        options = self._folder.options
        return self._activity.version or (options.version if options else "")

    @property
    def options(self) -> OptionsFile | None:
        """The newest OPTIONS file."""
        return self._folder.options

    @property
    def n_starts(self) -> int:
        """How often the engine was started while it was watched, the first time included."""
        return self._activity.n_starts

    def look(self, at: datetime) -> Sample | None:
        """Return what happened since the last look; None while there is nothing to look at.

        The first look only notes where things stand.
        """
        now_s = at.timestamp()
        self._activity.take(self._tail.lines())
        look = self._folder.look()
        self.pid = self._given_pid or process.holder(self._lock)
        used = self._meter.read(self.pid)
        if look is None or not self._tail.is_open:
            self._before = None
            self._records.clear()
            return None
        if self._statistics:
            self._statistics.look()
        before, self._before = self._before, self._stand(now_s)
        if before is None or now_s <= before.at_s:
            # What was written before the watch began says nothing of now.
            self._n_intervals, self._interval_at_s = self._activity.n_intervals, -math.inf
            return None
        return self._sample(at, before, look, used)

    def close(self) -> None:
        """Let go of its files."""
        self._tail.close()

    def _stand(self, now_s: float) -> _Before:
        seen = self._activity
        return _Before(now_s, seen.n_stalls, seen.flushed_bytes, seen.compacted_bytes)

    def _sample(
        self, at: datetime, before: _Before, look: Look, used: process.Used | None
    ) -> Sample:
        seen, now_s = self._activity, at.timestamp()
        seconds = now_s - before.at_s
        self._records.note(now_s, look, seen)
        source, found = self._interval(now_s)
        rate = found.rate if source else None
        if rate is None:
            source, rate = self._records.rate(self._folder, seen)
        if rate is None:
            source, rate = "log", found.rate
        return Sample(
            at,
            rate=rate,
            rate_source=source if rate is not None else "",
            read_rate=found.read_rate,
            write_us=found.write_us,
            write_p99_us=found.write_p99_us,
            cpu_cores=used.cpu_cores if used else None,
            memory_bytes=used.memory_bytes if used else None,
            read_bytes_s=used.read_bytes_s if used else None,
            written_bytes_s=used.written_bytes_s if used else None,
            size_bytes=look.size_bytes,
            stalled_share=found.stalled_share,
            n_stalls=seen.n_stalls - before.n_stalls,
            flushed_bytes_s=(seen.flushed_bytes - before.flushed_bytes) / seconds,
            compacted_bytes_s=(seen.compacted_bytes - before.compacted_bytes) / seconds,
            n_jobs=seen.n_jobs,
            l0_files=seen.l0_files,
            debt_bytes=seen.debt_bytes,
        )

    def _interval(self, now_s: float) -> tuple[str, Interval]:
        """Return the statistics that hold now, and where they come from.

        The source is empty where there are none, or where they are those of a long time.
        """
        if self._statistics and (found := self._statistics.holds(now_s)):
            return "statistics", found
        seen = self._activity
        if seen.n_intervals != self._n_intervals:
            self._n_intervals, self._interval_at_s = seen.n_intervals, now_s
        found = seen.interval
        if found is None or now_s - self._interval_at_s > _HOLDS * found.seconds + 1:
            return "", Interval(0.0)
        is_short = found.seconds <= LONGEST_INTERVAL_S
        return ("log" if is_short else ""), found


class _StatisticsFile:
    """A file with a statistics dump, written again and again by the engine's program."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mtime_ns = 0
        self._before: Counts | None = None
        self._found: Interval | None = None

    def look(self) -> None:
        """Read it again if it was written."""
        try:
            mtime_ns = self._path.stat().st_mtime_ns
            if mtime_ns == self._mtime_ns:
                return
            text = self._path.read_text(errors="replace")
        except OSError:
            return
        now = read_counts(text[text.rfind("STATISTICS:") + 1 :], mtime_ns / 1e9)
        if now.keys_written is None or now.write is None:  # written this very moment
            return
        self._mtime_ns = mtime_ns
        if self._before is not None:
            self._found = between(self._before, now)
        self._before = now

    def holds(self, now_s: float) -> Interval | None:
        """Return what the last two dumps tell, unless the next is overdue."""
        if self._found is None or self._before is None:
            return None
        age_s = now_s - self._before.at_s
        is_held = age_s <= _HOLDS * self._found.seconds + 1
        return self._found if is_held and self._found.seconds <= LONGEST_INTERVAL_S else None
