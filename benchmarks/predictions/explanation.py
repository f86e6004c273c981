"""What one explanation with its picture costs, for each learner, and beside shap with matplotlib.

    .venv/bin/python -m benchmarks.predictions.explanation [--peer PYTHON] [--cold N]

PYTHON is an interpreter that has shap, matplotlib, skops and the portal's scikit-learn, as
``uv venv ENV && uv pip install --python ENV shap matplotlib skops scikit-learn==…`` makes it. Both
sides explain the same shots of the same gradient boosting in turns, and must agree. Cold pictures
are each the first of a fresh process, from before its imports to the bytes.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from portal.lib import raster
from predictions.engine import export, serving
from predictions.engine.explanation import explainer as engine
from predictions.engine.explanation import waterfall
from predictions.engine.explanation.explainer import Explainer, form_of
from predictions.engine.explanation.waterfall import Captions, Step
from predictions.engine.features import FEATURES
from predictions.engine.generator import generate
from predictions.engine.parameters import TrainingParams
from predictions.engine.tables import ShotTable
from predictions.engine.training import TrainedModel, train

Matrix = NDArray[np.float32]

N_SHOTS = 6_000
SEED = 7
QUICK = {"n_folds": 2, "n_inner_folds": 2, "n_bootstraps": 0, "compare": False}
CASES: dict[str, dict[str, Any]] = {
    "gradient boosting": {},
    "extra trees": {"learner": "extra_trees"},
    "logistic regression": {"learner": "logistic_regression"},
    "stacking": {"learner": "stacking"},
    "gradient boosting, 12 latent": {"n_latent": 12, "n_epochs": 5},
}
#: One explanation with its picture as SVG; one PNG on request.
TARGET_MS, PNG_TARGET_MS = 5.0, 150.0
N_TOP = 10
CAPTIONS = Captions("What made the defect probability", "Before anything is known", "This shot")


@dataclass
class Case:
    """One learner and what explaining it took."""

    name: str
    trained: TrainedModel
    data: bytes = b""
    load_ms: float = 0.0
    worst_error: float = 0.0
    explain_ms: list[float] = field(default_factory=list)
    draw_ms: list[float] = field(default_factory=list)
    png_ms: list[float] = field(default_factory=list)

    def prepare(self, matrix: Matrix) -> Explainer:
        """Load the form from its bytes as a web process does, check it, and keep the time."""
        self.data = form_of(self.trained, matrix).to_bytes()
        served = serving.load(export.export(self.trained, matrix[:1_000]).data)
        started = time.perf_counter()
        explainer = Explainer(engine.from_bytes(self.data))
        self.worst_error = explainer.check(lambda rows: served.predict(rows)[0])
        self.load_ms = (time.perf_counter() - started) * 1000
        return explainer

    def measure(self, explainer: Explainer, row: Matrix) -> NDArray[np.float64]:
        """Explain and draw one shot, keep both times, return the contributions."""
        started = time.perf_counter()
        explained = explainer.explain(row)
        done = time.perf_counter()
        order = np.argsort(-np.abs(explained.values))
        steps = [
            Step(f"{FEATURES[i].label_en} = {row[i]:.6g} {FEATURES[i].unit}", explained.values[i])
            for i in order[:N_TOP]
        ]
        steps.append(Step("20 other features", float(explained.values[order[N_TOP:]].sum())))
        waterfall.draw(steps, explained.base_value, CAPTIONS)
        drawn = time.perf_counter()
        raster.png(waterfall.draw(steps, explained.base_value, CAPTIONS, palette=waterfall.PLAIN))
        self.explain_ms.append((done - started) * 1000)
        self.draw_ms.append((drawn - done) * 1000)
        self.png_ms.append((time.perf_counter() - drawn) * 1000)
        return explained.values

    def to_dict(self) -> dict[str, Any]:
        """Return the figures ready for JSON."""
        whole = np.add(self.explain_ms, self.draw_ms)
        return {
            "size_bytes": len(self.data),
            "load_ms": round(self.load_ms, 1),
            "additivity_error_log_odds": self.worst_error,
            "explain_ms": spread(self.explain_ms),
            "svg_ms": spread(self.draw_ms),
            "explain_and_svg_ms": spread(whole.tolist()),
            "png_ms": spread(self.png_ms),
            "within_target": bool(np.median(whole) <= TARGET_MS),
            "png_within_target": bool(np.median(self.png_ms) <= PNG_TARGET_MS),
        }


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return n, median and percentiles."""
    p5, p50, p95, p99 = np.percentile(values, [5, 50, 95, 99]).round(4).tolist()
    return {"n": len(values), "p5": p5, "median": p50, "p95": p95, "p99": p99}


@contextmanager
def peer(python: str, trained: TrainedModel) -> Iterator[Callable[[Matrix], dict[str, Any]]]:
    """Start the other side on a training form; gives the function that asks it."""
    with tempfile.NamedTemporaryFile(suffix=".skops") as file:
        file.write(trained.to_bytes())
        file.flush()
        script = str(Path(__file__).with_name("shap_peer.py"))
        process = subprocess.Popen(  # noqa: S603 - our own script
            [python, "-P", script, file.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None  # noqa: S101 - both are pipes
        assert process.stdout is not None  # noqa: S101

        def ask(row: Matrix) -> dict[str, Any]:
            process.stdin.write(json.dumps(row.tolist()) + "\n")
            process.stdin.flush()
            answer: dict[str, Any] = json.loads(process.stdout.readline())
            return answer

        try:
            yield ask
        finally:
            process.stdin.close()
            process.wait(30)


def run(table: ShotTable, python: str | None, n_rounds: int) -> dict[str, Any]:
    """Train every case, then measure all of them in turns."""
    matrix = table.matrix()
    cases = {
        name: Case(name, train(table, replace(TrainingParams.from_dict(QUICK), **more), seed=SEED))
        for name, more in CASES.items()
    }
    explainers = {name: case.prepare(matrix) for name, case in cases.items()}
    rows = matrix[np.random.default_rng(SEED).integers(len(matrix), size=n_rounds)]
    for case in cases.values():
        case.measure(explainers[case.name], rows[0])
        case.explain_ms.clear()
        case.draw_ms.clear()
        case.png_ms.clear()
    report: dict[str, Any] = {}
    if python is None:
        for row in rows:
            for case in cases.values():
                case.measure(explainers[case.name], row)
    else:
        report["shap"] = beside(cases, explainers, rows, python)
    return {"target_ms": TARGET_MS} | {n: c.to_dict() for n, c in cases.items()} | report


def beside(
    cases: dict[str, Case], explainers: dict[str, Explainer], rows: Matrix, python: str
) -> dict[str, Any]:
    """Measure with shap in turns and return its figures."""
    first = next(iter(cases.values()))
    fill = first.trained.fitted.imputer.fill
    explain_ms, draw_ms, worst = [], [], 0.0
    with peer(python, first.trained) as ask:
        ask(fill(rows[:1])[0])
        for row in rows:
            found = {name: case.measure(explainers[name], row) for name, case in cases.items()}
            answer = ask(fill(row[None])[0])
            explain_ms.append(answer["explain_ms"])
            draw_ms.append(answer["draw_ms"])
            worst = max(worst, float(np.abs(found[first.name] - answer["values"]).max()))
    return {
        "explain_ms": spread(explain_ms),
        "matplotlib_png_ms": spread(draw_ms),
        "largest_difference_log_odds": worst,
    }


def cold(python: str | None, n_rounds: int) -> dict[str, Any]:
    """Return the time to the first picture of a fresh process, ours and matplotlib's in turns."""
    sides = {"png_ms": (sys.executable, "cold_picture.py")}
    if python is not None:
        sides["matplotlib_png_ms"] = (python, "cold_matplotlib.py")
    took: dict[str, list[float]] = {name: [] for name in sides}
    for _round in range(n_rounds):
        for name, (interpreter, script) in sides.items():
            path = str(Path(__file__).with_name(script))
            words = [interpreter, *(["-P"] if script == "cold_matplotlib.py" else []), path]
            done = subprocess.run(words, capture_output=True, text=True, check=True)  # noqa: S603 - our own scripts
            took[name].append(float(done.stdout))
    return {name: spread(values) for name, values in took.items()}


def main() -> int:
    """Run and print the report; 1 when a learner misses the target."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", metavar="PYTHON", help="interpreter that has shap")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--cold", type=int, default=0, metavar="N", help="cold pictures each")
    given = parser.parse_args()
    report = run(generate(N_SHOTS, SEED).table(), given.peer, given.rounds)
    if given.cold:
        report["cold"] = cold(given.peer, given.cold)
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    wanted = ("within_target", "png_within_target")
    return 0 if all(report[name][one] for name in CASES for one in wanted) else 1


if __name__ == "__main__":
    sys.exit(main())
