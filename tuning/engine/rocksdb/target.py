"""RocksDB as a target: a fresh database in a process of its own, loaded, drained and removed."""

import errno
import importlib.metadata
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from portal.lib.coded import gettext_noop
from tuning.engine import hold, host, steady
from tuning.engine.contract import (
    Advice,
    Beat,
    Configuration,
    Guard,
    Measurement,
    Samples,
    Seen,
    Workload,
    silent,
    unseen,
    workload_parameters,
)
from tuning.engine.metrics import Metric, chosen
from tuning.engine.options import Constraint, Option, Value, checked, defaults
from tuning.engine.problems import (
    NoSpace,
    RefusedByEngine,
    TargetLost,
    TuningError,
)
from tuning.engine.rocksdb import advice, catalogue, figures, workloads
from tuning.engine.rocksdb.catalogue import MIB
from tuning.engine.rocksdb.process import STUCK_S, Worker

SHORTEST_S = 2.0
#: A trial during which others keep more processors busy than this is disturbed; ours.
DISTURBED_ABOVE = 0.5
#: Free space below which a running trial is ended, so that nothing else on the disk suffers.
RESERVE_MIB = 512
_PREFIX = "trial-"
_DRAINING = 0.9


class RocksDB:
    """The storage engine in this very machine, through rocksdict.

    Parameters
    ----------
    disturbed_above : float
        Processors that others may keep busy before a trial counts as disturbed.
    reserve_mib : int
        Free space that a trial leaves.
    stuck_s : float
        Silence after which the measured process is taken for hung.
    """

    name = "rocksdb"
    title = gettext_noop("RocksDB")

    def __init__(
        self,
        disturbed_above: float = DISTURBED_ABOVE,
        reserve_mib: int = RESERVE_MIB,
        stuck_s: float = STUCK_S,
    ) -> None:
        self._disturbed_above = disturbed_above
        self._reserve_mib = reserve_mib
        self._stuck_s = stuck_s

    def options(self) -> tuple[Option, ...]:
        """Return what rocksdict lets one set."""
        return catalogue.OPTIONS

    def constraints(self) -> tuple[Constraint, ...]:
        """Return what the options must keep between them."""
        return catalogue.CONSTRAINTS

    def defaults(self) -> dict[str, Value]:
        """Return RocksDB's own defaults."""
        return defaults(catalogue.OPTIONS)

    def workloads(self) -> tuple[Workload, ...]:
        """Return the named loads."""
        return workloads.WORKLOADS

    def workload_options(self) -> tuple[Option, ...]:
        """Return what a load is made of."""
        return workloads.OPTIONS

    def metrics(self) -> tuple[Metric, ...]:
        """Return what a trial reports."""
        return chosen(*METRIC_NAMES)

    def guards(self) -> tuple[Guard, ...]:
        """Return bounds of stalls, space and latency beside the current configuration."""
        return (
            Guard("longest_stall_s", 1.5, relative=True),
            Guard("peak_space_bytes", 3.0, relative=True),
            Guard("put_p99_us", 100_000.0),
        )

    def advice(self, values: Mapping[str, float]) -> tuple[Advice, ...]:
        """Return what RocksDB's own guide advises where stalls, reads or the processor limit."""
        return advice.of(values)

    def check(self, configuration: Mapping[str, object]) -> dict[str, Value]:
        """Return the whole configuration."""
        return checked(self.name, catalogue.OPTIONS, catalogue.CONSTRAINTS, configuration)

    def measure(
        self,
        configuration: Configuration,
        workload: Workload,
        *,
        seconds: float,
        seed: int,
        folder: Path,
        beat: Beat = silent,
        seen: Seen = unseen,
    ) -> Measurement:
        """Measure one configuration in a fresh database."""
        started = time.perf_counter()
        whole = self.check(configuration)
        parameters = workload_parameters(self, workload)
        if not seconds >= SHORTEST_S:
            raise TuningError("too_short", target=self.name, value=seconds, low=SHORTEST_S)
        needed_mib = figures.space_needed_bytes(parameters, seconds) // MIB + self._reserve_mib
        if free_mib(folder) < needed_mib:
            raise NoSpace("no_space", folder=folder, value=free_mib(folder), limit=needed_mib)
        plan = {
            "configuration": whole,
            "parameters": parameters,
            "seconds": seconds,
            "seed": seed,
        }
        with _place(folder) as place, Worker(self._stuck_s) as worker:
            held_mib_s, cpus = float(parameters["hold_mib_s"]), float(parameters["cpu_limit"])
            with hold.held(worker.pid, folder, held_mib_s, cpus) as said:
                worker.send(json.dumps({**plan, "folder": str(place)}))
                trial = _Trial(worker, place, seconds, parameters, self._reserve_mib, seen)
                with _full_disk_told():
                    done = trial.follow(beat)
        return self._measurement(trial, done, said, parameters, time.perf_counter() - started)

    def _measurement(
        self,
        trial: "_Trial",
        done: Mapping[str, Any],
        said: str,
        parameters: Mapping[str, Value],
        seconds: float,
    ) -> Measurement:
        found = figures.samples(done)
        verdict = _verdict(done, found, parameters)
        environment = host.describe() | {
            "rocksdict": importlib.metadata.version("rocksdict"),
            "held_by": said,
            "statistics": done["statistics"],
            "stats": done["stats"],
            "cpu_load_s": done["cpu_load_s"],
            "load_seconds": done["seconds"],
        }
        extra = {name: float(done[name]) for name in ("n_puts", "put_bytes", "cpu_s")}
        return Measurement(
            values=figures.values(done, found, parameters),
            samples=found,
            steady=verdict.steady,
            why=verdict.why,
            disturbed=trial.foreign_load > self._disturbed_above,
            foreign_load=trial.foreign_load,
            counters={name: float(one) for name, one in done["counters"].items()} | extra,
            environment=environment,
            seconds=seconds,
        )


METRIC_NAMES = (
    "sustainable_rate",
    "put_rate",
    "rate",
    "read_rate",
    "put_p50_us",
    "put_p95_us",
    "put_p99_us",
    "put_p999_us",
    "read_p50_us",
    "read_p99_us",
    "longest_stall_s",
    "stalled_share",
    "write_amplification",
    "read_cost",
    "space_bytes",
    "peak_space_bytes",
    "debt_bytes",
    "drain_s",
    "cpu_us_per_operation",
    "device_write_bytes",
)


class _Trial:
    """One trial under way, as its parent follows it."""

    def __init__(
        self,
        worker: Worker,
        place: Path,
        seconds: float,
        parameters: Mapping[str, Value],
        reserve_mib: int,
        seen: Seen,
    ) -> None:
        self._seen = seen
        self._worker, self._place, self._seconds = worker, place, seconds
        self._parameters, self._reserve_mib = parameters, reserve_mib
        self._seconds_seen: list[Mapping[str, float]] = []
        self._fraction = 0.0
        self._phase = "start"
        self._before = host.reading()
        self._own_before_s = _own_cpu_s(worker.pid)
        self.foreign_load = 0.0

    def follow(self, beat: Beat) -> Mapping[str, Any]:
        """Listen until the trial is done; pass progress on."""
        for event in self._worker.events():
            if event["event"] == "done":
                self._note_load()
                beat(1.0, "done")
                return event
            self._heard(event)
            if free_mib(self._place) < self._reserve_mib:
                raise NoSpace("disk_filled")
            self._note_load()
            beat(self._fraction, self._phase)
        raise AssertionError  # pragma: no cover - events end with "done" or raise

    def _heard(self, event: Mapping[str, Any]) -> None:
        if event["event"] == "phase":
            self._phase = event["phase"]
            if self._phase == "drain":
                self._fraction = max(self._fraction, _DRAINING)
        elif event["event"] == "second":
            before = self._seconds_seen[-1] if self._seconds_seen else {}
            self._seconds_seen.append(event)
            self._seen(figures.second(before, event))
            part = min(event["at_s"] / self._seconds, 1.0)
            self._fraction = max(self._fraction, _DRAINING * part)
            if self._parameters["until_steady"] and self._is_steady():
                self._worker.send("stop")

    def _is_steady(self) -> bool:
        seen = self._seconds_seen
        puts = np.diff([0.0, *(one["n_puts"] for one in seen)])
        handed = np.diff([0.0, *(one["put_bytes"] for one in seen)])
        debts = np.array([one["debt_bytes"] for one in seen])
        warmup = int(self._seconds * float(self._parameters["warmup"]))
        return steady.judged(puts, debts, handed, warmup).steady

    def _note_load(self) -> None:
        own = _own_cpu_s(self._worker.pid) - self._own_before_s
        self.foreign_load = host.foreign_load(self._before, host.reading(), own)


@contextmanager
def _full_disk_told() -> Iterator[None]:
    """Tell a write that the disk refused from an engine that died: repeating it would not help."""
    try:
        yield
    except (RefusedByEngine, TargetLost) as exc:
        if os.strerror(errno.ENOSPC) in str(exc):
            raise NoSpace("disk_filled") from exc
        raise


def free_mib(folder: Path) -> int:
    """Return the free space beside a folder."""
    return shutil.disk_usage(folder).free // MIB


def _own_cpu_s(pid: int) -> float:
    return host.process_cpu_s(pid) + host.process_cpu_s(os.getpid())


def _verdict(
    done: Mapping[str, Any], found: Mapping[str, Samples], parameters: Mapping[str, Value]
) -> steady.Verdict:
    if done["debt_left_bytes"] > 0:
        left = done["debt_left_bytes"] // MIB
        return steady.Verdict(
            steady=False,
            why=f"Not steady: {left} MiB of debt were left after the longest wait.",
        )
    whole = slice(0, max(1, int(done["seconds"])))
    rate = (found["puts_per_s"] + found["reads_per_s"])[whole]
    handed = np.diff(found["put_bytes"][whole], prepend=0.0)
    warmup = int(done["seconds"] * float(parameters["warmup"]))
    return steady.judged(rate, found["debt_bytes"][whole], handed, warmup)


@contextmanager
def _place(folder: Path) -> Iterator[Path]:
    """Give a fresh folder for one trial and remove it, and those of processes that are gone."""
    for left in folder.glob(f"{_PREFIX}*"):
        pid = left.name.split("-")[1]
        if not Path("/proc", pid).exists():
            shutil.rmtree(left, ignore_errors=True)
    place = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=folder))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
