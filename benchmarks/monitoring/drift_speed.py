"""What a look costs, and the same data given to Evidently.

Ten models of thirty features, a window of 1,000 each: a look compares scores, classes, every
feature, whole rows and expected performance with the thresholds. “From nothing” means what
Evidently does at each report: both tables as they are, bins included.

    python -m venv ENV && ENV/bin/pip install -r benchmarks/requirements-drift.txt
    .venv/bin/python -m benchmarks.monitoring.drift_speed --peer ENV/bin/python
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from monitoring.engine.budget import Budget
from monitoring.engine.limits import Limits, learn, limits_of
from monitoring.engine.looks import CALLS, SCORES, Looker, Reference
from monitoring.engine.reference import Floats, Rows, column_of
from monitoring.engine.schedule import Schedule
from monitoring.engine.sliding import Rows32

SCHEDULE = Schedule()
N_REFERENCE, N_KEPT_ROWS = 5_000, 1_000
THRESHOLD = 0.5
PEER_SCRIPT = Path(__file__).with_name("evidently_peer.py")


def shots(n: int, n_features: int, rng: np.random.Generator) -> Rows32:
    """Return rows of score, class and features."""
    rows = rng.normal(size=(n, 2 + n_features))
    rows[:, 0] = 1 / (1 + np.exp(-(rows[:, 0] * 1.5 - 2)))
    rows[:, 1] = rows[:, 0] >= THRESHOLD
    return rows.astype(np.float32)


def reference_of(rows: Rows32) -> Reference:
    """Return the reference that a training leaves."""
    values = rows.astype(np.float64)
    names = [SCORES, CALLS, *(f"f{place}" for place in range(values.shape[1] - 2))]
    columns = {name: column_of(values[:, place]) for place, name in enumerate(names)}
    return Reference(columns, Rows(values[:N_KEPT_ROWS, 2:]), THRESHOLD)


def filled(reference: Reference, window: Rows32) -> Looker:
    """Return a looker that has taken in a window."""
    looker = Looker(reference, "kl", "psi", SCHEDULE.n_steps)
    for step in np.split(window, SCHEDULE.n_steps):
        looker.step(step)
    return looker


def times(work: Callable[[], object], n_rounds: int) -> Floats:
    """Return milliseconds of each round and of its CPU, float [n, 2]; a first one is left out."""
    found = []
    for _ in range(n_rounds + 1):
        began, worked = time.perf_counter(), time.process_time()
        work()
        found.append((time.perf_counter() - began, time.process_time() - worked))
    return 1_000 * np.array(found[1:])


def told(found: Floats) -> dict[str, float]:
    """Return the median and the spread of milliseconds, and the median of CPU."""
    middle, late, last = np.quantile(found[:, 0], (0.5, 0.95, 0.99))
    return {
        "n": len(found),
        "median_ms": round(float(middle), 3),
        "p95_ms": round(float(late), 3),
        "p99_ms": round(float(last), 3),
        "median_cpu_ms": round(float(np.median(found[:, 1])), 3),
    }


def evidently(python: str, before: Floats, now: Floats, n_rounds: int) -> Floats:
    """Return milliseconds of Evidently's reports on the same columns."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "columns.npz")
        np.savez(path, reference=before, current=now, rounds=n_rounds)
        words = [python, str(PEER_SCRIPT), str(path)]
        done = subprocess.run(words, capture_output=True, check=True)  # noqa: S603 - ours
    return 1_000 * np.array(json.loads(done.stdout)["report_s"])


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """Return all times."""
    rng = np.random.default_rng(given.seed)
    before = shots(N_REFERENCE, given.features, rng)
    windows = [shots(SCHEDULE.window, given.features, rng) for _ in range(given.models)]
    reference = reference_of(before)
    lookers = [filled(reference, window) for window in windows]
    limits: Limits = limits_of(
        learn(lookers[0], SCHEDULE, None, given.seed),
        lookers[0].features,
        Budget(1.0, 100_000),
        is_slice=False,
    )
    pairs = list(zip(lookers, windows, strict=True))

    def looks() -> None:
        for looker, window in pairs:
            limits.ratios(looker.look(window))

    def steps_and_looks() -> None:
        for looker, window in pairs:
            looker.step(window[: SCHEDULE.step])
            limits.ratios(looker.look(window))

    def from_nothing() -> None:
        limits.ratios(filled(reference_of(before), windows[0]).look(windows[0]))

    ours = times(from_nothing, given.rounds)
    result: dict[str, Any] = {
        "all_models_look": told(times(looks, given.rounds)),
        "all_models_step_and_look": told(times(steps_and_looks, given.rounds)),
        "one_model_from_nothing": told(ours),
    }
    if given.peer:
        columns = before.astype(np.float64), windows[0].astype(np.float64)
        theirs = evidently(given.peer, *columns, given.peer_rounds)
        result["evidently_report"] = told(theirs)
        again = times(from_nothing, given.rounds)  # after it, so that neither had the quieter time
        result["one_model_from_nothing_after"] = told(again)
        both = np.concatenate([ours, again])
        slower = np.median(theirs, axis=0) / np.median(both, axis=0)
        result["evidently_is_slower_by"] = {"wall": slower[0].round(1), "cpu": slower[1].round(1)}
    return result


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=int, default=30)
    parser.add_argument("--models", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--peer", default="", help="an interpreter that has Evidently")
    parser.add_argument("--peer-rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    load = psutil.getloadavg()[0]
    result = measure(given)
    result["load"] = [round(load, 1), round(psutil.getloadavg()[0], 1)]
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
