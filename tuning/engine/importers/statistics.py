"""RocksDB's statistics: the dump of ``Statistics::ToString`` and the table of ``rocksdb.stats``.

Sources: RocksDB 9.8 ``monitoring/statistics.cc`` and ``db/internal_stats.cc``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tuning.engine.problems import Unreadable
from tuning.engine.rocksdb import counters

_KIND = "statistics dump"
_GB = 1 << 30
_LEVEL = re.compile(r"^\s*L(\d+)\s+(\d+)/\d+\s+(.*)$")
_UPTIME = re.compile(r"^Uptime\(secs\): (\S+) total")
_STALL = re.compile(r"^Cumulative stall: (\d+):(\d+):([\d.]+) H:M:S")
_PENDING = re.compile(r"^Estimated pending compaction bytes: (\d+)")
#: Places of the columns behind the number of files: size and its unit come first.
_SIZE, _UNIT, _SCORE, _READ, _WRITE, _AMPLIFICATION = 0, 1, 2, 3, 6, 9
_UNITS = {"KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}


@dataclass(frozen=True)
class Level:
    """A level as ``rocksdb.stats`` shows it; bytes are as exact as its one decimal of a GB."""

    number: int
    n_files: int
    size_bytes: float
    score: float
    read_bytes: float
    written_bytes: float
    write_amplification: float


@dataclass(frozen=True)
class Stats:
    """The table of ``rocksdb.stats`` of one column family."""

    uptime_s: float
    stall_s: float
    debt_bytes: int
    levels: tuple[Level, ...]


@dataclass(frozen=True)
class Dump:
    """A statistics dump: every counter, every histogram, by RocksDB's names."""

    counters: Mapping[str, int]
    histograms: Mapping[str, Mapping[str, float]]

    @property
    def write_amplification(self) -> float | None:
        """Bytes flushed and compacted over bytes put; None while nothing was put."""
        put = self.counters.get("rocksdb.bytes.written", 0)
        written = self.counters.get("rocksdb.flush.write.bytes", 0)
        written += self.counters.get("rocksdb.compact.write.bytes", 0)
        return written / put if put else None


def read_dump(text: str, name: str = "statistics") -> Dump:
    """Read a statistics dump, or the last one in a longer text such as a LOG.

    Raises
    ------
    Unreadable
        If there is no counter of RocksDB's in it.
    """
    last = text[text.rfind("STATISTICS:") :] if "STATISTICS:" in text else text
    last = re.sub(r"^ rocksdb", "rocksdb", last, flags=re.MULTILINE)
    found = counters.tickers(last)
    if not found:
        raise Unreadable("unreadable", name=name, kind=_KIND, reason="no counter is in it")
    return Dump(found, counters.histograms(last))


def read_stats(text: str, name: str = "rocksdb.stats") -> Stats:
    """Read the table of ``rocksdb.stats``; the first column family where there are several.

    Raises
    ------
    Unreadable
        If it has no table of compactions.
    """
    if "** Compaction Stats" not in text:
        raise Unreadable(
            "unreadable", name=name, kind=_KIND, reason="no table of compactions is in it"
        )
    levels: dict[int, Level] = {}
    uptime = stall = 0.0
    debt = 0
    for line in text.splitlines():
        if (found := _LEVEL.match(line)) and int(found[1]) not in levels:
            levels[int(found[1])] = _level(found, name)
        elif found := _UPTIME.match(line):
            uptime = float(found[1])
        elif found := _STALL.match(line):
            stall = 3600.0 * int(found[1]) + 60.0 * int(found[2]) + float(found[3])
        elif found := _PENDING.match(line):
            debt = int(found[1])
    return Stats(uptime, stall, debt, tuple(levels[number] for number in sorted(levels)))


def _level(found: re.Match[str], name: str) -> Level:
    cells = found[3].split()
    try:
        return Level(
            number=int(found[1]),
            n_files=int(found[2]),
            size_bytes=float(cells[_SIZE]) * _UNITS[cells[_UNIT]],
            score=float(cells[_SCORE]),
            read_bytes=float(cells[_READ]) * _GB,
            written_bytes=float(cells[_WRITE]) * _GB,
            write_amplification=float(cells[_AMPLIFICATION]),
        )
    except (ValueError, KeyError, IndexError) as exc:
        reason = f"the row of level {found[1]} cannot be read: {found[0].strip()[:60]!r}"
        raise Unreadable("unreadable", name=name, kind=_KIND, reason=reason) from exc
