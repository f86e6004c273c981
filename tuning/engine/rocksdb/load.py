"""Run a load against an open database and keep what happens, second by second."""

import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import rocksdict
from numpy.typing import NDArray

from tuning.engine import histogram
from tuning.engine.contract import Samples
from tuning.engine.options import Value
from tuning.engine.rocksdb import counters
from tuning.engine.rocksdb.catalogue import MIB
from tuning.engine.rocksdb.stream import MODIFY, PUT, READ, SCAN, Block, Stream

#: Operations between two looks at the clock.
_CHUNK = 64
_SECOND_NS = 1_000_000_000
_DEBT = "rocksdb.estimate-pending-compaction-bytes"
#: Properties sampled each second, by our names.
PROPERTIES: Mapping[str, str] = {
    "debt_bytes": _DEBT,
    "unflushed_bytes": "rocksdb.cur-size-all-mem-tables",
    "running_compactions": "rocksdb.num-running-compactions",
    "running_flushes": "rocksdb.num-running-flushes",
    "is_stopped": "rocksdb.is-write-stopped",
    "delayed_rate": "rocksdb.actual-delayed-write-rate",
    "table_bytes": "rocksdb.live-sst-files-size",
}
#: Counters sampled each second.
_COUNTERS = ("stall_us", "flush_write_bytes", "compact_write_bytes")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_PENDING = "rocksdb.compaction-pending"
_BUSY = (
    "rocksdb.num-running-compactions",
    "rocksdb.num-running-flushes",
    "rocksdb.mem-table-flush-pending",
    "rocksdb.num-immutable-mem-table",
)
_IDLE_LOOKS = 3
#: Universal compaction may call one pending for ever without starting it.
_IDLE_LOOKS_PENDING = 15
_POLL_S = 0.1


@dataclass
class Tally:
    """What a load did.

    Attributes
    ----------
    per_second : dict of lists
        One value each second; see `PROPERTIES`, and counters such as ``stall_us``, ``cpu_s`` and
        ``device_write_bytes``, which count from the start of the process.
    recent : array
        Put latencies of the latest second, in the buckets of a histogram.
    """

    started_ns: int = 0
    ended_ns: int = 0
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)
    n_puts: int = 0
    put_bytes: int = 0
    per_second: dict[str, list[float]] = field(default_factory=dict)
    counts: dict[str, Samples] = field(default_factory=dict)
    done: dict[str, dict[int, int]] = field(default_factory=dict)
    longest_ns: int = 0
    recent: Samples = field(default_factory=lambda: np.zeros(histogram.N_BUCKETS))

    @property
    def seconds(self) -> float:
        """How long the load ran."""
        return (self.ended_ns - self.started_ns) / _SECOND_NS


class Load:
    """One load against one database.

    Parameters
    ----------
    tell : callable
        ``tell(event, **values)``.
    must_stop : callable
        Asked often whether to end the load early.
    """

    def __init__(
        self,
        opened: rocksdict.Rdict,
        made: rocksdict.Options,
        parameters: Mapping[str, Value],
        tell: Callable[..., None],
        must_stop: Callable[[], bool],
    ) -> None:
        self._opened, self._made = opened, made
        self._parameters = parameters
        self._tell, self._must_stop = tell, must_stop
        self._scan_length = int(parameters["scan_length"])
        self._interval_ns = 0
        #: Bytes put between two syncs of the log; endless without a log or without syncs.
        synced = bool(parameters["wal"] and parameters["wal_sync"])
        self._sync_bytes = float(parameters["wal_sync"]) * MIB if synced else math.inf
        self._sync_at = self._sync_bytes
        if parameters["rate_limit"]:
            self._interval_ns = max(1, _SECOND_NS // int(parameters["rate_limit"]))

    def preload(self, stream: Stream) -> None:
        """Put the first keys and wait until nothing is pending."""
        total = int(self._parameters["preload"])
        for start in range(0, total, 1_000):
            block = stream.preload(start, min(1_000, total - start))
            for key, value in zip(block.keys, block.values, strict=True):
                self._opened.put(key, value)
            self._tell("phase", phase="preload", fraction=0.0)
        if total:
            self.drain(3_600.0)

    def run(self, stream: Stream, seconds: float, warmup_s: float) -> Tally:
        """Run the load for some seconds."""
        tally = Tally()
        tally.started_ns = time.perf_counter_ns()
        end_ns = tally.started_ns + int(seconds * _SECOND_NS)
        warm_ns = tally.started_ns + int(warmup_s * _SECOND_NS)
        sample_ns = tally.started_ns + _SECOND_NS
        due_ns = tally.started_ns
        running = True
        while running:
            block = stream.block()
            for at in range(0, len(block.kinds), _CHUNK):
                due_ns = self._chunk(block, at, due_ns, tally)
                now = tally.ends[-1]
                if now >= sample_ns:
                    self._sample(tally, now)
                    self._fold(tally, warm_ns)
                    sample_ns += _SECOND_NS * ((now - sample_ns) // _SECOND_NS + 1)
                    self._tell_second(tally)
                if now >= end_ns or self._must_stop():
                    running = False
                    break
        tally.ended_ns = time.perf_counter_ns()
        self._fold(tally, warm_ns)
        return tally

    def drain(self, limit_s: float) -> tuple[float, int, int]:
        """Flush and wait until nothing is pending.

        Returns
        -------
        seconds : float
        first, last : int
            Compaction debt at the beginning and at the end (bytes).
        """
        started = time.perf_counter()
        first = self._property(_DEBT)
        self._opened.flush()
        first = max(first, self._property(_DEBT))
        idle, needed, last_busy = 0, _IDLE_LOOKS, time.perf_counter()
        while idle < needed and time.perf_counter() - started < limit_s:
            if any(self._property(name) for name in _BUSY):
                idle, last_busy = 0, time.perf_counter()
            else:
                idle += 1
            needed = _IDLE_LOOKS_PENDING if self._property(_PENDING) else _IDLE_LOOKS
            self._tell("phase", phase="drain", fraction=0.9)
            time.sleep(_POLL_S)
        left = self._property(_DEBT) if idle < needed else 0
        return last_busy - started, first, left

    def _chunk(self, block: Block, at: int, due_ns: int, tally: Tally) -> int:
        """Carry out some operations and note when each began and ended."""
        clock, opened, interval = time.perf_counter_ns, self._opened, self._interval_ns
        put, starts, ends = opened.put, tally.starts, tally.ends
        kinds = block.kinds[at : at + _CHUNK]
        for kind, key, value in zip(
            kinds, block.keys[at : at + _CHUNK], block.values[at : at + _CHUNK], strict=True
        ):
            began = clock()
            if interval:
                if due_ns > began:
                    time.sleep((due_ns - began) / _SECOND_NS)
                began, due_ns = due_ns, due_ns + interval
            if kind == PUT:
                put(key, value)
            elif kind == READ:
                opened.get(key)
            elif kind == SCAN:
                self._scan(key)
            else:
                opened.get(key)
                put(key, value)
            if kind in (PUT, MODIFY):
                tally.n_puts += 1
                tally.put_bytes += len(key) + len(value)
                if tally.put_bytes >= self._sync_at:
                    opened.flush_wal(True)
                    self._sync_at += self._sync_bytes
            starts.append(began)
            ends.append(clock())
        tally.kinds.extend(kinds)
        return due_ns

    def _scan(self, key: bytes) -> None:
        cursor = self._opened.iter()
        cursor.seek(key)
        left = self._scan_length
        while left and cursor.valid():
            cursor.value()
            cursor.next()
            left -= 1

    def _property(self, name: str) -> int:
        return self._opened.property_int_value(name) or 0

    def _sample(self, tally: Tally, now: int) -> None:
        text = self._made.get_statistics() or ""
        now_values = {ours: float(self._property(theirs)) for ours, theirs in PROPERTIES.items()}
        reported = counters.reported(text)
        for name in _COUNTERS:
            now_values[name] = float(reported[name])
        now_values["cpu_s"] = time.process_time()
        now_values["memory_bytes"] = float(memory_bytes())
        now_values["device_write_bytes"] = float(device_write_bytes())
        now_values["space_bytes"] = float(folder_bytes(Path(self._opened.path())))
        now_values["put_bytes"] = float(tally.put_bytes)
        now_values["at_s"] = (now - tally.started_ns) / _SECOND_NS
        for name, value in now_values.items():
            tally.per_second.setdefault(name, []).append(value)

    def _tell_second(self, tally: Tally) -> None:
        latest = {name: values[-1] for name, values in tally.per_second.items()}
        n_reads = sum(tally.done.get("read", {}).values())
        if tally.recent.any():
            latest["put_us"] = histogram.mean_us(tally.recent)
            latest["put_p99_us"] = histogram.quantile_us(tally.recent, 0.99)
        self._tell("second", n_puts=tally.n_puts, n_reads=n_reads, **latest)

    def _fold(self, tally: Tally, warm_ns: int) -> None:
        """Turn single operations into counts per second and histograms, and forget them."""
        if not tally.ends:
            return
        starts, ends = np.array(tally.starts), np.array(tally.ends)
        kinds = np.array(tally.kinds)
        tally.longest_ns = max(tally.longest_ns, int((ends - starts).max()))
        writes = (kinds == PUT) | (kinds == MODIFY)
        for name, chosen in (("put", writes), ("read", ~writes)):
            _count_seconds(
                tally.done.setdefault(name, {}), (ends[chosen] - tally.started_ns) // _SECOND_NS
            )
            warm = chosen & (ends >= warm_ns)
            found = histogram.counted(ends[warm] - starts[warm])
            if name == "put":
                is_warm = bool((ends >= warm_ns).all())
                all_of = found if is_warm else histogram.counted((ends - starts)[chosen])
                tally.recent = all_of
            tally.counts[name] = tally.counts.get(name, np.zeros(histogram.N_BUCKETS)) + found
        tally.starts, tally.ends, tally.kinds = [], [], []


def _count_seconds(into: dict[int, int], seconds: NDArray[np.int64]) -> None:
    for second, n in zip(*np.unique(seconds, return_counts=True), strict=True):
        into[int(second)] = into.get(int(second), 0) + int(n)


def device_write_bytes() -> int:
    """Return what this process made the device write, less what was taken back unwritten."""
    try:
        lines = Path("/proc/self/io").read_text("ascii").splitlines()
    except OSError:
        return 0
    found = dict(line.split(": ") for line in lines)
    return int(found["write_bytes"]) - int(found["cancelled_write_bytes"])


def memory_bytes() -> int:
    """Return the resident memory of this process."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * _PAGE_BYTES
    except OSError:
        return 0


def folder_bytes(folder: Path) -> int:
    """Return the size of a flat folder's files; those that vanish meanwhile count nothing."""
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                total += entry.stat().st_size
            except FileNotFoundError:
                continue
    return total
