"""What one second of a running instance is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime

#: Where a rate can come from, the most exact first.
SOURCES = ("statistics", "log", "wal", "flush")


@dataclass(frozen=True)
class Sample:
    """A running instance at a moment; None where nothing tells.

    Attributes
    ----------
    rate : float
        Keys written a second.
    rate_source : str
        One of `SOURCES`: a file with statistics, the statistics in the LOG, the growth of the
        write-ahead log over the bytes of a record, or the records of flushed buffers over a minute.
    read_rate : float
        Keys read a second.
    write_us : float
        Mean of a write since the last statistics, microseconds.
    write_p99_us : float
        99th percentile of writes since the engine started, which is all that it tells.
    cpu_cores, memory_bytes, read_bytes_s, written_bytes_s : float
        Of the engine's process.
    size_bytes : float
        Of the files in its folder.
    stalled_share : float
        Share of the time for which writes were held up, at most 1.
    n_stalls : float
        How often since the last sample RocksDB told that it slows down or stops writes.
    flushed_bytes_s, compacted_bytes_s : float
        Written by flushes and compactions that ended since the last sample.
    n_jobs : float
        Flushes and compactions at work.
    l0_files, debt_bytes : float
        Files of level 0, and RocksDB's estimate of bytes yet to be compacted.
    """

    at: datetime
    rate: float | None = None
    rate_source: str = ""
    read_rate: float | None = None
    write_us: float | None = None
    write_p99_us: float | None = None
    cpu_cores: float | None = None
    memory_bytes: float | None = None
    read_bytes_s: float | None = None
    written_bytes_s: float | None = None
    size_bytes: float | None = None
    stalled_share: float | None = None
    n_stalls: float | None = None
    flushed_bytes_s: float | None = None
    compacted_bytes_s: float | None = None
    n_jobs: float | None = None
    l0_files: float | None = None
    debt_bytes: float | None = None

    def to_dict(self) -> dict[str, float | str | None]:
        """Return the figures without the time."""
        return {name: getattr(self, name) for name in (*FIGURES, "rate_source")}


#: The names of the numbers of a sample.
FIGURES = tuple(one.name for one in fields(Sample) if one.name not in ("at", "rate_source"))


@dataclass(frozen=True)
class Counts:
    """RocksDB's statistics at a moment, as far as they are needed; None where they are off.

    Attributes
    ----------
    at_s : float
        On one clock with the counts before; which one does not matter.
    """

    at_s: float
    keys_written: int | None
    keys_read: int | None
    stall_us: int | None
    write: Mapping[str, float] | None


@dataclass(frozen=True)
class Interval:
    """What happened between two counts.

    Attributes
    ----------
    seconds : float
    stalled_share : float or None
        At most 1: several writers wait at once.
    """

    seconds: float
    rate: float | None = None
    read_rate: float | None = None
    stalled_share: float | None = None
    write_us: float | None = None
    write_p99_us: float | None = None


def between(before: Counts, now: Counts) -> Interval | None:
    """Return what happened between two counts; None where the engine was started in between."""
    seconds = now.at_s - before.at_s
    written = _grown(before.keys_written, now.keys_written)
    if seconds <= 0 or written is None:
        return None
    read = _grown(before.keys_read, now.keys_read)
    stalled = _grown(before.stall_us, now.stall_us)
    return Interval(
        seconds,
        rate=written / seconds,
        read_rate=None if read is None else read / seconds,
        stalled_share=None if stalled is None else min(1.0, stalled / 1e6 / seconds),
        write_us=_mean(before.write, now.write),
        write_p99_us=None if now.write is None else now.write["p99"],
    )


def _grown(before: int | None, now: int | None) -> int | None:
    return None if before is None or now is None or now < before else now - before


def _mean(before: Mapping[str, float] | None, now: Mapping[str, float] | None) -> float | None:
    if before is None or now is None or now["count"] <= before["count"]:
        return None
    return (now["sum"] - before["sum"]) / (now["count"] - before["count"])
