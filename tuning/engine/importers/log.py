"""RocksDB's ``LOG``: flushes, compactions, stalls and the options a database was opened with.

Source: RocksDB 9.8 ``logging/event_logger.h`` (``EVENT_LOG_v1`` and one JSON object) and
``db/column_family.cc`` (``Stalling writes``, ``Stopping writes``).
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tuning.engine.problems import Unreadable

EVENT = re.compile(r"EVENT_LOG_v1 (\{.*\})\s*$")
VERSION = re.compile(r"RocksDB version: (\S+)")
_OPTION = re.compile(r"\bOptions\.(\w+)\s*: (.*)$")
STALL = re.compile(
    r"(\d{4}/\d\d/\d\d-\d\d:\d\d:\d\d\.\d+).*\b(Stalling|Stopping) writes because (.*)$"
)
_KIND = "LOG"
#: A line longer than this is none of RocksDB's.
_LONGEST = 1 << 20


@dataclass(frozen=True)
class Flush:
    """A write buffer written to level 0.

    Attributes
    ----------
    n_entries : int
        Records in it; 0 where its start is not in the file.
    """

    at_us: int
    job: int
    n_entries: int
    input_bytes: int
    output_bytes: int
    seconds: float
    reason: str


@dataclass(frozen=True)
class Compaction:
    """Files merged into a level."""

    at_us: int
    job: int
    output_level: int
    input_bytes: int
    output_bytes: int
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True)
class Stall:
    """Writes slowed down or stopped, and RocksDB's reason."""

    at: str
    is_stop: bool
    reason: str


@dataclass(frozen=True)
class Log:
    """What a LOG tells.

    Attributes
    ----------
    options : mapping
        As printed when the database was opened; of the first column family where they differ.
    n_damaged : int
        Events that could not be parsed, as where the file was cut off.
    """

    version: str
    options: Mapping[str, str]
    flushes: tuple[Flush, ...]
    compactions: tuple[Compaction, ...]
    stalls: tuple[Stall, ...]
    n_damaged: int

    @property
    def flushed_bytes(self) -> int:
        """Bytes written by flushes."""
        return sum(one.output_bytes for one in self.flushes)

    @property
    def compacted_bytes(self) -> int:
        """Bytes written by compactions."""
        return sum(one.output_bytes for one in self.compactions)

    @property
    def write_amplification(self) -> float | None:
        """Bytes of flushes and compactions over bytes handed to flushes; None before the first."""
        handed = sum(one.input_bytes for one in self.flushes)
        return (self.flushed_bytes + self.compacted_bytes) / handed if handed else None


class Jobs:
    """Joins the events of a job."""

    def __init__(self) -> None:
        self.flushes: list[Flush] = []
        self.compactions: list[Compaction] = []
        self._started: dict[int, Mapping[str, Any]] = {}
        self._created: dict[int, int] = {}

    @property
    def n_running(self) -> int:
        """How many were started and have not ended."""
        return len(self._started)

    def take(self, event: Mapping[str, Any]) -> None:
        """Take one event; kinds that are not needed are passed over."""
        kind, job = event.get("event"), int(event.get("job", -1))
        if kind in ("flush_started", "compaction_started"):
            self._started[job] = event
        elif kind == "table_file_creation":
            self._created[job] = self._created.get(job, 0) + int(event.get("file_size", 0))
        elif kind == "flush_finished":
            self._flushed(job, event)
        elif kind == "compaction_finished":
            self._compacted(job, event)

    def _flushed(self, job: int, event: Mapping[str, Any]) -> None:
        started = self._started.pop(job, {})
        at_us = int(event["time_micros"])
        self.flushes.append(
            Flush(
                at_us=at_us,
                job=job,
                n_entries=int(started.get("num_entries", 0)),
                input_bytes=int(started.get("total_data_size", 0)),
                output_bytes=self._created.pop(job, 0),
                seconds=(at_us - int(started.get("time_micros", at_us))) / 1e6,
                reason=str(started.get("flush_reason", "")),
            )
        )

    def _compacted(self, job: int, event: Mapping[str, Any]) -> None:
        started = self._started.pop(job, {})
        self._created.pop(job, None)
        self.compactions.append(
            Compaction(
                at_us=int(event["time_micros"]),
                job=job,
                output_level=int(event["output_level"]),
                input_bytes=int(started.get("input_data_size", 0)),
                output_bytes=int(event["total_output_size"]),
                seconds=int(event["compaction_time_micros"]) / 1e6,
                cpu_seconds=int(event.get("compaction_time_cpu_micros", 0)) / 1e6,
            )
        )


def read_log(lines: Iterable[str], name: str = "LOG") -> Log:
    """Read a LOG line by line, in bounded memory but for its events.

    Raises
    ------
    Unreadable
        If nothing in it is RocksDB's.
    """
    version, n_damaged = "", 0
    options: dict[str, str] = {}
    stalls: list[Stall] = []
    jobs = Jobs()
    for line in lines:
        if len(line) > _LONGEST:
            raise Unreadable("unreadable", name=name, kind=_KIND, reason="a line of over 1 MiB")
        if found := EVENT.search(line):
            n_damaged += not _taken(jobs, found[1])
        elif found := STALL.search(line):
            stalls.append(Stall(found[1], found[2] == "Stopping", found[3].strip()))
        elif found := _OPTION.search(line):
            options.setdefault(found[1], found[2].strip())
        elif not version and (found := VERSION.search(line)):
            version = found[1]
    if not (version or jobs.flushes or jobs.compactions):
        raise Unreadable(
            "unreadable", name=name, kind=_KIND, reason="neither a version nor an event is in it"
        )
    return Log(
        version, options, tuple(jobs.flushes), tuple(jobs.compactions), tuple(stalls), n_damaged
    )


def _taken(jobs: Jobs, text: str) -> bool:
    try:
        jobs.take(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError):
        return False
    return True
