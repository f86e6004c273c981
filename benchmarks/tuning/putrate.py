"""How well the put-rate models predict configurations that they have never seen.

    python -m benchmarks.tuning.collect rows.jsonl --n 36
    python -m benchmarks.tuning.putrate rows.jsonl

Groups are configurations: all rows of one are left out together. Prints a table in Markdown.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tuning.engine.contract import Workload, workload_parameters
from tuning.engine.putrate.contract import Observation
from tuning.engine.putrate.inputs import inputs
from tuning.engine.putrate.versions import Score, scored
from tuning.engine.rocksdb.target import RocksDB

#: Rows are of a held device, whose bandwidth is known; the probe's figure would be no bound.
UNHELD_BPS = 1e9


def observation(row: dict[str, Any]) -> Observation:
    """Return a row of `benchmarks.tuning.collect` as the models take it."""
    parameters = workload_parameters(RocksDB(), Workload("row", row["workload"]))
    given = inputs(
        row["configuration"],
        parameters,
        seconds=row["seconds"],
        write_bps=UNHELD_BPS,
        read_bps=UNHELD_BPS,
        spin_ns=row["machine"]["spin_ns"],
        foreign_load=row["machine"]["foreign_load"],
    )
    group = json.dumps(row["row"], sort_keys=True)
    return Observation(given, row["measurement"]["values"]["sustainable_rate"], group)


def _line(scores: Sequence[Score]) -> str:
    """Return a row of the table: one model over all ways to split."""
    errors = np.abs(np.concatenate([one.errors for one in scores]))
    medians = [one.median_ape for one in scores]
    tails = [one.p90_ape for one in scores]
    return (
        f"| {scores[0].name} | {np.median(errors):.1%} | {min(medians):.1%} to {max(medians):.1%} "
        f"| {np.quantile(errors, 0.9):.1%} | {min(tails):.1%} to {max(tails):.1%} "
        f"| {np.mean([one.coverage for one in scores]):.0%} "
        f"| {np.median([one.width for one in scores]):.2f} |"
    )


def main() -> None:
    """Score all models and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--folds", type=int, default=8)
    parser.add_argument("--splits", type=int, default=4, help="ways to split, pooled")
    given = parser.parse_args()
    rows = [json.loads(line) for line in given.file.read_text("utf-8").splitlines()]
    found = [observation(row) for row in rows]
    loads = [row["measurement"]["foreign_load"] for row in rows]
    lines = [
        f"{len(rows)} trials of {len({one.group for one in found})} configurations, "
        f"{given.folds} folds, {given.splits} splits pooled; others kept {np.median(loads):.1f} "
        f"processors busy ({min(loads):.1f} to {max(loads):.1f}).",
        "",
        "| model | median APE | by split | 90th percentile | by split "
        "| in the 80 % interval | upper / lower |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    each = [scored(found, given.folds, seed) for seed in range(given.splits)]
    lines += [_line(scores) for scores in zip(*each, strict=True)]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
