"""What a large item master takes: training time, memory, latency, and what it is worth.

One draw of the synthetic set, 80/20 by the item that variants descend from. Items of
the test side judge, drawn at random. Refused items count as wrong.

    .venv/bin/python -m benchmarks.predictions.routing_scale --items 100000
"""

import argparse
import json
import resource
import sys
from pathlib import Path
from time import perf_counter, process_time

import numpy as np

from benchmarks.predictions.routing import SEED, TEST_SHARE, shown
from predictions.engine.routing.evaluation import evaluate
from predictions.engine.routing.generator import generate
from predictions.engine.routing.metrics import METRICS
from predictions.engine.routing.splits import draw_groups
from predictions.engine.routing.storage import dump, load
from predictions.engine.routing.training import train

N_PROPOSALS = 200


def peak_mb() -> float:
    """Return the largest resident size that this process had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--judged", type=int, default=2_000, help="Test items that judge.")
    parser.add_argument("--draws", type=int, default=500, help="Bootstrap draws.")
    parser.add_argument("--out", type=Path, help="Where the figures go as JSON.")
    given = parser.parse_args()
    drawn = generate(given.items, SEED + 1)
    rng = np.random.default_rng(SEED)
    is_test = draw_groups(drawn.bases, TEST_SHARE, rng)
    tested = np.sort(rng.permutation(np.flatnonzero(is_test))[: given.judged])
    known, unseen = drawn.items.take(np.flatnonzero(~is_test)), drawn.items.take(tested)
    before_mb, wall, cpu = peak_mb(), perf_counter(), process_time()
    model = train(known, drawn.routings, seed=SEED)
    wall, cpu = perf_counter() - wall, process_time() - cpu
    after_mb = peak_mb()
    stored = dump(model)
    started = perf_counter()
    model = load(stored)
    loading_s = perf_counter() - started
    queries = model.decider.encoder.encode(unseen.columns())
    proposing = []
    for row in range(min(N_PROPOSALS, len(queries))):
        started = perf_counter()
        model.propose_encoded(queries.take(slice(row, row + 1)), None, model.last_day)
        proposing.append((perf_counter() - started) * 1000)
    report = evaluate(model, unseen, drawn.routings, seed=SEED, n_bootstraps=given.draws)
    median, p95, p99 = np.percentile(proposing, [50, 95, 99])
    lines = [
        f"{known.n_rows:,} items learnt, {report.n_items:,} of {int(is_test.sum()):,} test items "
        f"judged in {report.n_groups:,} groups, {report.n_refused} refused.",
        f"Training {cpu:.0f} CPU s ({wall:.0f} s); peak memory {after_mb:.0f} MB, of which "
        f"{before_mb:.0f} MB before; stored {len(stored) / 1e6:.1f} MB, loaded in "
        f"{loading_s:.2f} s.",
        f"Whole proposal: {median:.1f} ms median, {p95:.1f} p95, {p99:.1f} p99 "
        f"(n = {len(proposing)}).",
        "",
        *(
            f"| {metric.label} | {shown(report.figures[name])} | {shown(report.accepted[name])} |"
            for name, metric in METRICS.items()
        ),
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    if given.out:
        measured = {"train_cpu_s": cpu, "train_s": wall, "peak_mb": after_mb, "ms": proposing}
        given.out.write_text(json.dumps({**measured, **report.to_dict()}, indent=2) + "\n")


if __name__ == "__main__":
    main()
