"""What a growing LOG tells, line by line: flushes, compactions, stalls and statistics.

Source: RocksDB 9.8 ``db/internal_stats.cc`` (``DumpDBStats``), ``db/db_impl/db_impl.cc``
(``DUMPING STATS`` and ``STATISTICS`` every ``stats_dump_period_sec``).
"""

import json
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from tuning.engine.importers.log import EVENT, STALL, VERSION, Jobs
from tuning.engine.live.figures import Counts, Interval, between
from tuning.engine.rocksdb import counters

_STAMP = re.compile(r"^(\d{4}/\d\d/\d\d-\d\d:\d\d:\d\d\.\d+) ")
#: Written again where a LOG is full and goes on in another file, with the same name.
_SESSION = re.compile(r"DB Session ID:\s+(\S+)")
_WRITES = re.compile(r"^Interval writes: \S+ writes, (\d+)([KMG]?) keys,")
_STALLED = re.compile(r"^Interval stall: .* H:M:S, ([\d.]+) percent")
_UPTIME = re.compile(r"^Uptime\(secs\): \S+ total, ([\d.]+) interval")
_PENDING = re.compile(r"^Estimated pending compaction bytes: (\d+)")
_TIMES = {"": 1, "K": 1_000, "M": 1_000_000, "G": 1_000_000_000}
_KEPT = ("rocksdb.number.keys.", "rocksdb.stall.micros", "rocksdb.db.write.micros")


class Activity:
    """Takes lines and keeps what they say; all counts grow from the first line on."""

    def __init__(self) -> None:
        self._jobs = Jobs()
        self._stamp = ""
        self._dump: list[str] = []
        self._is_dump = False
        self._before: Counts | None = None
        self._session = ""
        self.version = ""
        self.n_starts = 0
        self.n_stalls = 0
        self.flushed_bytes = 0
        self.compacted_bytes = 0
        self.n_flushed = 0
        self.flushed_input_bytes = 0
        self.l0_files: int | None = None
        self.debt_bytes: int | None = None
        self.interval: Interval | None = None
        self.n_intervals = 0

    @property
    def n_jobs(self) -> int:
        """Flushes and compactions at work."""
        return self._jobs.n_running

    def take(self, lines: Iterable[str]) -> None:
        """Take whole lines; without any, what stands open is over."""
        is_empty = True
        for line in lines:
            is_empty = False
            self._line(line)
        if is_empty:
            self._close()

    def _line(self, line: str) -> None:
        if stamp := _STAMP.match(line):
            if "] STATISTICS:" not in line and line.rstrip()[-1:] != "]":
                self._close()
            self._stamp = stamp[1]
            self._stamped(line)
        elif self._is_dump:
            self._dumped(line)

    def _stamped(self, line: str) -> None:
        if found := EVENT.search(line):
            self._event(found[1])
        elif "DUMPING STATS" in line or "] STATISTICS:" in line:
            self._is_dump = True
            if "DUMPING STATS" in line:
                self.debt_bytes = 0
        elif STALL.search(line):
            self.n_stalls += 1
        elif found := _SESSION.search(line):
            self._began(found[1])
        elif found := VERSION.search(line):
            self.version = found[1]

    def _began(self, session: str) -> None:
        """Note that the engine was started: what it counted begins anew."""
        if session == self._session:
            return
        self._session = session
        self.n_starts += 1
        self._jobs = Jobs()
        self._before = self.interval = None
        self.l0_files = self.debt_bytes = None

    def _event(self, text: str) -> None:
        try:
            event: dict[str, Any] = json.loads(text)
            self._jobs.take(event)
            levels = event.get("lsm_state")
            if levels:
                self.l0_files = int(levels[0])
        except (ValueError, KeyError, TypeError, AttributeError):  # cut off or foreign
            return
        for flush in self._jobs.flushes:
            self.flushed_bytes += flush.output_bytes
            self.n_flushed += flush.n_entries
            self.flushed_input_bytes += flush.input_bytes
        for compaction in self._jobs.compactions:
            self.compacted_bytes += compaction.output_bytes
        self._jobs.flushes.clear()
        self._jobs.compactions.clear()

    def _dumped(self, line: str) -> None:
        if found := _PENDING.match(line):
            self.debt_bytes = (self.debt_bytes or 0) + int(found[1])
        elif line.startswith(("Interval ", "Uptime", *_KEPT)):
            self._dump.append(line)

    def _close(self) -> None:
        """Turn a dump that is whole into what happened since the one before."""
        lines, self._dump, self._is_dump = self._dump, [], False
        if not lines:
            return
        text = "\n".join(lines)
        now = read_counts(text, _seconds(self._stamp))
        found = None
        if now.keys_written is not None:
            found = between(self._before, now) if self._before else None
            self._before = now
        else:
            # A database with statistics tells the same more exactly right behind.
            found = _told(lines) if self._before is None else None
        if found is not None:
            self.interval = found
            self.n_intervals += 1


def read_counts(text: str, at_s: float) -> Counts:
    """Return the counts that a dump of statistics holds."""
    found = counters.tickers(text)
    return Counts(
        at_s,
        found.get("rocksdb.number.keys.written"),
        found.get("rocksdb.number.keys.read"),
        found.get("rocksdb.stall.micros"),
        counters.histograms(text).get("rocksdb.db.write.micros"),
    )


def _told(lines: Iterable[str]) -> Interval | None:
    """Return what the table of a database without statistics tells of its last interval."""
    seconds = keys = stalled = None
    for line in lines:
        if (found := _UPTIME.match(line)) and seconds is None:
            seconds = float(found[1])
        elif found := _WRITES.match(line):
            keys = int(found[1]) * _TIMES[found[2]]
        elif found := _STALLED.match(line):
            stalled = min(1.0, float(found[1]) / 100)
    if not seconds or keys is None:
        return None
    return Interval(seconds, rate=keys / seconds, stalled_share=stalled)


def _seconds(stamp: str) -> float:
    """Return a time of the LOG as seconds; its zone is the engine's and does not matter."""
    try:
        return datetime.strptime(stamp, "%Y/%m/%d-%H:%M:%S.%f").timestamp()  # noqa: DTZ007 - a difference alone counts
    except ValueError:
        return 0.0
