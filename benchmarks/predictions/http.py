"""Predictions over HTTP: the portal, which checks keys and records, against a bare endpoint.

Both serve the same ONNX file on the same machine, measured in turns within one run. Closed loop
with 1 and 16 connections, then an open loop (Poisson) at half of the portal's own capacity, with
health beside it.

    benchmarks/setup.sh && .venv/bin/python -m benchmarks.predictions.http
"""

import argparse
import json
import platform
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.predictions import load, targets
from benchmarks.predictions.load import Sample
from benchmarks.predictions.targets import Target
from predictions.engine.features import FEATURE_NAMES
from predictions.engine.generator import generate

CONNECTIONS = (1, 16)
OPEN_CONNECTIONS = 64
N_SHOTS = 500
HEALTH = "/api/health"
HEALTH_PER_S = 20.0


@dataclass
class Cell:
    """All rounds of one target at one number of connections."""

    per_second: list[float] = field(default_factory=list)
    cpu_ms: dict[str, list[float]] = field(default_factory=dict)
    latencies_s: list[float] = field(default_factory=list)
    n_bad: int = 0

    def add(self, sample: Sample, cpu_s: dict[str, float]) -> None:
        """Keep one round."""
        self.per_second.append(sample.per_second)
        self.latencies_s.extend(sample.latencies_s)
        self.n_bad += sample.n_bad
        for name, seconds in cpu_s.items():
            self.cpu_ms.setdefault(name, []).append(seconds / sample.n * 1000)

    def to_dict(self) -> dict[str, Any]:
        """Return the figures: medians over rounds, percentiles over all requests."""
        cpu = {name: float(np.median(values)) for name, values in self.cpu_ms.items()}
        return {
            "n": len(self.latencies_s),
            "n_bad": self.n_bad,
            "per_second": _spread(self.per_second),
            "p50_ms": float(np.percentile(self.latencies_s, 50) * 1000),
            "p99_ms": float(np.percentile(self.latencies_s, 99) * 1000),
            "cpu_ms": cpu | {"all": sum(cpu.values())},
        }


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": float(np.median(values)), "low": min(values), "high": max(values)}


def bodies() -> list[bytes]:
    """Return the bodies of generated shots without missing values."""
    matrix = generate(N_SHOTS, 4242, missing_share=0.0).table().matrix()
    rows = (dict(zip(FEATURE_NAMES, row, strict=True)) for row in matrix.round(4).tolist())
    return [json.dumps({"features": row}).encode() for row in rows]


def requests_for(target: Target, shots: Sequence[bytes]) -> list[bytes]:
    """Return the requests of a target."""
    headers = dict(target.headers)
    return [load.http_request("POST", target.path, body, headers) for body in shots]


def measured(target: Target, run: Callable[[], Sample]) -> tuple[Sample, dict[str, float]]:
    """Run load and return what it saw with the CPU time it cost."""
    before = target.cpu_s()
    sample = run()
    after = target.cpu_s()
    return sample, {name: after[name] - before[name] for name in before}


def closed_rounds(
    every: Sequence[Target], shots: Sequence[bytes], *, rounds: int, duration_s: float, seed: int
) -> dict[str, dict[int, Cell]]:
    """Measure all targets in turns, in another order each round."""
    order = random.Random(seed)  # noqa: S311 - shuffles turns
    cells = {target.name: {count: Cell() for count in CONNECTIONS} for target in every}
    for _round in range(rounds):
        for count in CONNECTIONS:
            for target in order.sample(list(every), len(every)):
                sent = requests_for(target, shots)
                load.closed_loop(target.address, sent, count, min(1.0, duration_s / 3))
                sample, cpu = measured(
                    target,
                    partial(load.closed_loop, target.address, sent, count, duration_s),
                )
                cells[target.name][count].add(sample, cpu)
    return cells


def open_rounds(
    every: Sequence[Target],
    shots: Sequence[bytes],
    rate: float,
    *,
    rounds: int,
    duration_s: float,
    seed: int,
) -> dict[str, Any]:
    """Measure latency in turns while requests arrive at a rate of their own, health beside it."""
    cells = {target.name: Cell() for target in every}
    p99_ms: dict[str, list[float]] = {target.name: [] for target in every}
    health = Sample()
    for number in range(rounds):
        arrivals = load.poisson(rate, duration_s, seed + number)
        for target in every:
            with _health_watched(target, health if target is every[0] else None):
                sent = requests_for(target, shots)
                sample, cpu = measured(
                    target,
                    partial(load.open_loop, target.address, sent, arrivals, OPEN_CONNECTIONS),
                )
            cells[target.name].add(sample, cpu)
            p99_ms[target.name].append(sample.percentile_ms(99))
    return {
        "rate_per_second": rate,
        "servers": {
            name: cell.to_dict() | {"p99_ms_of_rounds": _spread(p99_ms[name])}
            for name, cell in cells.items()
        },
        "health": _health(health),
    }


@contextmanager
def _health_watched(target: Target, sample: Sample | None) -> Iterator[None]:
    if sample is None:
        yield
        return
    stop = threading.Event()
    watcher = threading.Thread(target=_watch_health, args=(target, sample, stop))
    watcher.start()
    yield
    stop.set()
    watcher.join()


def _watch_health(target: Target, sample: Sample, stop: threading.Event) -> None:
    request = load.http_request("GET", HEALTH)
    while not stop.is_set():
        one = load.closed_loop(target.address, [request], 1, 0.0)
        sample.latencies_s += one.latencies_s
        sample.n_bad += one.n_bad
        time.sleep(1 / HEALTH_PER_S)


def _health(sample: Sample) -> dict[str, Any]:
    return {
        "n": sample.n,
        "n_bad": sample.n_bad,
        "p50_ms": sample.percentile_ms(50),
        "p99_ms": sample.percentile_ms(99),
    }


def idle_health(target: Target, duration_s: float) -> dict[str, Any]:
    """Measure health while nothing else is asked."""
    sample = Sample()
    with _health_watched(target, sample):
        time.sleep(duration_s)
    return _health(sample)


def machine() -> dict[str, Any]:
    """Return where this was measured."""
    revision = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],  # noqa: S607 - git as installed
        cwd=targets.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return {
        "cores": psutil.cpu_count(),
        "load_before": psutil.getloadavg()[0],
        "python": platform.python_version(),
        "revision": revision.stdout.strip(),
    }


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", type=Path, help="Interpreter that setup.sh printed.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="Of each measurement.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="Where the figures go as JSON.")
    return parser.parse_args()


def main() -> None:
    """Measure and print a table."""
    given = arguments()
    python = given.python or targets.ROOT / "var" / "benchmarks" / "venv" / "bin" / "python"
    shots = bodies()
    with ExitStack() as stack:
        temporary = tempfile.TemporaryDirectory(prefix="millwright-bench-")
        folder = Path(stack.enter_context(temporary))
        folder.chmod(0o711)
        portal = targets.Portal(folder, stack)
        model = folder / "serving.onnx"
        model.write_bytes(portal.serving_form(portal.wait_for_champion()))
        own = portal.target()
        others = [targets.bare(python, model, folder, stack, workers=count) for count in (1, 2)]
        where = machine()
        cells = closed_rounds(
            [own, *others], shots, rounds=given.rounds, duration_s=given.seconds, seed=given.seed
        )
        rate = float(np.median(cells[own.name][CONNECTIONS[-1]].per_second)) / 2
        result = {
            "machine": where,
            "rounds": given.rounds,
            "seconds": given.seconds,
            "closed": {
                name: {count: cell.to_dict() for count, cell in by_count.items()}
                for name, by_count in cells.items()
            },
            "half_capacity": open_rounds(
                [own, others[-1]],
                shots,
                rate,
                rounds=given.rounds,
                duration_s=given.seconds,
                seed=given.seed,
            ),
            "health_idle": idle_health(own, given.seconds),
        }
    if given.out:
        given.out.write_text(json.dumps(result, indent=2) + "\n")
    sys.stdout.write(markdown(result))


def markdown(result: dict[str, Any]) -> str:
    """Return the figures as the tables of docs/performance.md."""
    lines = [
        "| server | connections | requests/s (range) | p50 ms | p99 ms | CPU ms, web | CPU ms, all "
        "| n | errors |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, by_count in result["closed"].items():
        for count, cell in by_count.items():
            rate = cell["per_second"]
            lines.append(
                f"| {name} | {count} | {rate['median']:,.0f} ({rate['low']:,.0f} to "
                f"{rate['high']:,.0f}) | {cell['p50_ms']:.2f} | {cell['p99_ms']:.2f} | "
                f"{cell['cpu_ms']['web']:.3f} | {cell['cpu_ms']['all']:.3f} | {cell['n']:,} | "
                f"{cell['n_bad']} |"
            )
    half = result["half_capacity"]
    lines += [
        "",
        f"Half of the portal's capacity, {half['rate_per_second']:,.0f} requests/s at random:",
        "",
        "| server | p50 ms | p99 ms | p99 ms of rounds | n | errors |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, cell in half["servers"].items():
        rounds = cell["p99_ms_of_rounds"]
        lines.append(
            f"| {name} | {cell['p50_ms']:.2f} | {cell['p99_ms']:.2f} | {rounds['median']:.2f} "
            f"({rounds['low']:.2f} to {rounds['high']:.2f}) | {cell['n']:,} | {cell['n_bad']} |"
        )
    lines.append("")
    for words, health in (("under that load", half["health"]), ("idle", result["health_idle"])):
        lines.append(
            f"Health {words}: p50 {health['p50_ms']:.2f} ms, p99 {health['p99_ms']:.2f} ms, n "
            f"{health['n']}, errors {health['n_bad']}."
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
