"""False alarms and detection of drift rules, all on the same streams in one run.

Three shapes of scores. Each case draws a baseline, twenty past windows, quiet streams and streams
whose logit shifts; every rule says at each look whether it alarms. Ours is calibrated for each case
as the product does it. Beside it: a fixed divergence of 0.5 as the usual recipe computes it (bins
over each side's own range) and on quantile bins, a fixed PSI of 0.2, river's ADWIN, and Evidently's
default tests (Wasserstein for large references, Kolmogorov-Smirnov for small ones).

    python -m venv ENV && ENV/bin/pip install -r benchmarks/requirements-drift.txt
    .venv/bin/python -m benchmarks.monitoring.drift_alarms --peer ENV/bin/python
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from benchmarks.monitoring.drift_shapes import SHAPES, Case, case
from monitoring.engine import calibration
from monitoring.engine.budget import Budget
from monitoring.engine.calibration import Calibration
from monitoring.engine.detectors.contract import Additive
from monitoring.engine.detectors.kl import KullbackLeibler
from monitoring.engine.detectors.psi import PopulationStability
from monitoring.engine.reference import Column, Floats, column_of
from monitoring.engine.schedule import Schedule

SCHEDULE = Schedule()
LENGTH, TAIL, WITHIN = 10_000, 1_400, 700
N_BASELINE, N_SMALL = 5_000, 1_000
SHIFT = 0.5
#: A shot in 26 s all month.
VALUES_PER_MONTH = 100_000
N_RECIPE_BINS = 50
PEER_SCRIPT = Path(__file__).with_name("evidently_peer.py")

Alarms = NDArray[np.bool_]
Rule = Callable[[Case, Floats, np.random.Generator], Alarms]


def calibrated(make: Callable[[Column], Additive]) -> Rule:
    """Return our rule for a detector: its threshold learnt from this case's baseline and past."""
    known: dict[int, tuple[Additive, float]] = {}

    def learnt(given: Case, rng: np.random.Generator) -> tuple[Additive, float]:
        fitted = make(column_of(given.baseline))
        parts = np.split(given.past, len(given.past) // SCHEDULE.step)
        steps = np.stack([fitted.summary(part) for part in parts])
        drawn = calibration.drawn(fitted, SCHEDULE, rng)
        both = Calibration(drawn, calibration.glued(fitted, steps, SCHEDULE, rng))
        return fitted, both.threshold(Budget(1.0, VALUES_PER_MONTH, 3).score)

    def rule(given: Case, streams: Floats, rng: np.random.Generator) -> Alarms:
        if id(given) not in known:
            known.clear()
            known[id(given)] = learnt(given, rng)
        fitted, threshold = known[id(given)]
        return np.stack([fitted.path(one, SCHEDULE) > threshold for one in streams])

    return rule


def fixed(make: Callable[[Column], Additive], threshold: float) -> Rule:
    """Return a rule with a constant threshold on quantile bins."""

    def rule(given: Case, streams: Floats, rng: np.random.Generator) -> Alarms:
        fitted = make(column_of(given.baseline))
        return np.stack([fitted.path(one, SCHEDULE) > threshold for one in streams])

    return rule


def recipe(given: Case, streams: Floats, rng: np.random.Generator) -> Alarms:
    """Return the alarms of the usual recipe: bins of each side's own range, divergence above 0.5.

    The range of probabilities is 0 to 1 for the baseline; a window is binned between its ends.
    """
    expected = np.histogram(given.baseline, N_RECIPE_BINS, (0.0, 1.0))[0] / len(given.baseline)

    def divergence(window: Floats) -> float:
        seen = np.histogram(window, N_RECIPE_BINS)[0] / len(window)
        p, q = expected + 1e-10, seen + 1e-10
        return float((q / q.sum() * np.log(q / q.sum() / (p / p.sum()))).sum())

    return np.stack([[divergence(look) > 0.5 for look in looks(one)] for one in streams])


def adwin(given: Case, streams: Floats, rng: np.random.Generator) -> Alarms:
    """Return where river's ADWIN, as it comes, reports a change; it reads the baseline first."""
    from river.drift import ADWIN  # noqa: PLC0415 - a second to import

    made: Any = ADWIN
    found = []
    for stream in streams:
        detector, seen = made(), []
        for value in np.concatenate([given.baseline, stream]).tolist():
            detector.update(value)
            seen.append(detector.drift_detected)
        steps = np.array(seen[len(given.baseline) :]).reshape(-1, SCHEDULE.step).any(axis=1)
        found.append(steps[SCHEDULE.n_steps - 1 :])
    return np.stack(found)


def looks(stream: Floats) -> list[Floats]:
    """Return the windows of a stream at every look."""
    starts = range(0, SCHEDULE.n_looks(len(stream)) * SCHEDULE.step, SCHEDULE.step)
    return [stream[at : at + SCHEDULE.window] for at in starts]


RULES: Mapping[str, Rule] = {
    "KL, calibrated (ours)": calibrated(KullbackLeibler),
    "PSI, calibrated (ours)": calibrated(PopulationStability),
    "KL > 0.5, bins of own range": recipe,
    "KL > 0.5, quantile bins": fixed(KullbackLeibler, 0.5),
    "PSI > 0.2, quantile bins": fixed(PopulationStability, 0.2),
    "ADWIN of river, default": adwin,
}


class Tally:
    """What one rule did on one shape."""

    def __init__(self) -> None:
        self.quiet: list[Alarms] = []
        self.shifted: list[Alarms] = []

    def add(self, quiet: Alarms, shifted: Alarms) -> None:
        """Take in the alarms of one case."""
        self.quiet.append(quiet)
        self.shifted.append(shifted)

    def figures(self) -> dict[str, Any]:
        """Return shares with 95 % intervals; delays in scores after the shift."""
        quiet, shifted = np.concatenate(self.quiet), np.concatenate(self.shifted)
        after = shifted[:, 1:]
        n_within = WITHIN // SCHEDULE.step
        delays = (after.argmax(axis=1) + 1)[after.any(axis=1)] * SCHEDULE.step
        return {
            "n_streams": len(quiet),
            "n_looks": quiet.size,
            "alarming_windows": round(float(quiet.mean()), 5),
            "alarming_streams": share(quiet.any(axis=1)),
            "detected_within_700": share(after[:, :n_within].any(axis=1)),
            "median_delay": float(np.median(delays)) if len(delays) else None,
            "p95_delay": float(np.quantile(delays, 0.95)) if len(delays) else None,
        }


def share(is_so: Alarms) -> list[float]:
    """Return a share with its 95 % interval (Wilson 1927)."""
    n, p, z = len(is_so), float(is_so.mean()), 1.96
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return [round(p, 4), round(max(0.0, middle - half), 4), round(min(1.0, middle + half), 4)]


def evidently(python: str, given: Case, n_baseline: int, n_streams: int) -> tuple[str, Any, Any]:
    """Return Evidently's default test for a baseline of this size and its alarms."""
    # The shifted streams come up first, then down: half of either.
    places = np.linspace(0, len(given.shifted) - 1, n_streams).astype(int)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "streams.npz")
        np.savez(
            path,
            baseline=given.baseline[:n_baseline],
            quiet=given.quiet[:n_streams],
            shifted=given.shifted[places],
            window=SCHEDULE.window,
            step=SCHEDULE.step,
        )
        words = [python, str(PEER_SCRIPT), str(path)]
        done = subprocess.run(words, capture_output=True, check=True)  # noqa: S603 - ours
    answer = json.loads(done.stdout)
    return answer["test"], np.array(answer["quiet"]), np.array(answer["shifted"])


def measure(shape: str, given: argparse.Namespace) -> dict[str, Any]:
    """Return what every rule does on one shape."""
    rng = np.random.default_rng([given.seed, list(SHAPES).index(shape)])
    tallies: dict[str, Tally] = defaultdict(Tally)
    for number in range(given.cases):
        one = case(
            SHAPES[shape],
            rng,
            n_baseline=N_BASELINE,
            n_past=calibration.MIN_WINDOWS * SCHEDULE.window,
            n_streams=given.streams,
            length=LENGTH,
            window=SCHEDULE.window,
            tail=TAIL,
            by=SHIFT,
        )
        for name, rule in RULES.items():
            tallies[name].add(rule(one, one.quiet, rng), rule(one, one.shifted, rng))
        if given.peer and number < given.peer_cases:
            for n_baseline in (N_BASELINE, N_SMALL):
                test, *alarms = evidently(given.peer, one, n_baseline, given.peer_streams)
                tallies[f"Evidently, {n_baseline:,} before: {test}"].add(*alarms)
    return {name: tally.figures() for name, tally in tallies.items()}


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=20, help="baselines of each shape")
    parser.add_argument("--streams", type=int, default=20, help="of either kind in each case")
    parser.add_argument("--peer", default="", help="an interpreter that has Evidently")
    parser.add_argument("--peer-cases", type=int, default=5)
    parser.add_argument("--peer-streams", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    load = psutil.getloadavg()[0]
    began, worked = time.perf_counter(), time.process_time()
    result: dict[str, Any] = {shape: measure(shape, given) for shape in SHAPES}
    result["run"] = {
        "wall_s": round(time.perf_counter() - began, 1),
        "cpu_s": round(time.process_time() - worked, 1),
        "load": [round(load, 1), round(psutil.getloadavg()[0], 1)],
    }
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
