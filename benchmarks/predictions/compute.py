"""Time the parts of one answer in process: checking the features and the whole model.

    .venv/bin/python -m benchmarks.predictions.compute

Trains one small model a learner on generated shots, then times single rows, 10,000 rows and 100,000
rows, the learners in turn. Prints n, median, p95, p99 and the quartile range.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from predictions.engine import export, serving
from predictions.engine.generator import generate
from predictions.engine.parameters import TrainingParams
from predictions.engine.training import train
from predictions.engine.validate import validate

N_WARM_UP = 50


def samples_ms(call: Callable[[], object], n: int) -> NDArray[np.float64]:
    """Return the duration of each of `n` calls in ms, after a warm-up that is not counted."""
    for _ in range(min(N_WARM_UP, n)):
        call()
    taken = np.empty(n)
    for number in range(n):
        started = time.perf_counter()
        call()
        taken[number] = (time.perf_counter() - started) * 1e3
    return taken


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--learners", default="gradient_boosting", help="comma-separated")
    parser.add_argument("--shots", type=int, default=3_000)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    shots = generate(options.shots, options.seed).table()
    matrix = shots.matrix()
    wide = np.resize(matrix, (100_000, matrix.shape[1]))
    table = Table("what", "n", "median ms", "p95 ms", "p99 ms", "quartiles ms", title="In process")
    for learner in options.learners.split(","):
        params = TrainingParams.from_dict({"learner": learner, "compare": False, "n_bootstraps": 0})
        model = train(shots, params, seed=options.seed)
        served = serving.load(export.export(model, matrix).data)
        row = dict(zip(model.signature.names, map(float, np.nan_to_num(matrix[0])), strict=True))
        many = [row] * 10_000
        cases: list[tuple[str, Callable[[], object], int]] = [
            ("check 1 row", partial(validate, [row], model.signature), 2_000),
            ("check 10,000 rows", partial(validate, many, model.signature), 20),
            (f"{learner}: 1 row", partial(served.predict, matrix[:1]), 2_000),
            (f"{learner}: 100,000 rows", partial(served.predict, wide), 10),
        ]
        for name, call, n in cases:
            found = samples_ms(call, n)
            low, middle, high = np.percentile(found, [25, 50, 75])
            tail = [f"{np.percentile(found, share):.3f}" if n >= 100 else "-" for share in (95, 99)]
            table.add_row(name, str(n), f"{middle:.3f}", *tail, f"{low:.3f} to {high:.3f}")
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
