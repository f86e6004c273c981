"""What tuned options gain over defaults, in pairs, with the device held or the processors limited.

    python -m benchmarks.tuning.gain results.json --tuned '{"compression": "zstd"}' --pairs 6

Defaults, tuned options and a set by hand are measured in shuffled order in every round; a round
gives one ratio to the defaults for each. The interval is the confidence sequence of
`tuning.engine.proof`. Guard metrics are reported beside. Prints a table in Markdown.
"""

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tuning.engine.contract import preset
from tuning.engine.options import Value
from tuning.engine.proof import interval
from tuning.engine.rocksdb.target import RocksDB

#: Set by hand after the RocksDB Tuning Guide's advice for write-heavy loads.
EXPERT: Mapping[str, Value] = {
    "compaction_style": "universal",
    "compression": "lz4",
    "max_write_buffer_number": 6,
    "min_write_buffer_number_to_merge": 2,
    "max_background_jobs": 4,
    "level0_file_num_compaction_trigger": 8,
    "level0_slowdown_writes_trigger": 40,
    "level0_stop_writes_trigger": 60,
}
REGIMES: Mapping[str, dict[str, Value]] = {
    "device": {"hold_mib_s": 16.0},
    "synced": {"hold_mib_s": 16.0, "wal_sync": 1.0},
    "processor": {"cpu_limit": 0.5},
}
SHOWN = ("put_p99_us", "longest_stall_s", "peak_space_bytes", "drain_s", "stalled_share")


def measured(
    sets: Mapping[str, Mapping[str, Value]], regime: str, pairs: int, seconds: float, seed: int
) -> list[dict[str, Any]]:
    """Measure every set once a round, in shuffled order."""
    target, generator = RocksDB(), np.random.default_rng(seed)
    workload = preset(target, "put-heavy", **REGIMES[regime])
    rows = []
    for at in range(pairs):
        for name in generator.permutation(list(sets)).tolist():
            with tempfile.TemporaryDirectory() as folder:
                found = target.measure(
                    sets[name], workload, seconds=seconds, seed=seed + at, folder=Path(folder)
                )
            rows.append(
                {
                    "round": at,
                    "set": name,
                    "values": dict(found.values),
                    "foreign_load": found.foreign_load,
                    "held_by": found.environment["held_by"],
                }
            )
    return rows


def table(rows: list[dict[str, Any]], names: list[str]) -> list[str]:
    """Return rates, ratios with their intervals, and the guards' medians."""
    lines = [
        f"| options | rate (1/s) | ratio | 95 % | {' | '.join(SHOWN)} |",
        "|---|---:|---:|---:|" + "---:|" * len(SHOWN),
    ]
    by_round = {(row["round"], row["set"]): row["values"] for row in rows}
    rounds = sorted({row["round"] for row in rows})
    for name in names:
        rates = [by_round[at, name]["sustainable_rate"] for at in rounds]
        base = [by_round[at, "defaults"]["sustainable_rate"] for at in rounds]
        found = interval([math.log(a / b) for a, b in zip(rates, base, strict=True)])
        guards = (np.median([by_round[at, name][key] for at in rounds]) for key in SHOWN)
        lines.append(
            f"| {name} | {np.median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f}) "
            f"| {found.ratio:.2f} | {found.ratio_low:.2f} to {found.ratio_high:.2f} | "
            + " | ".join(f"{value:,.3g}" for value in guards)
            + " |"
        )
    return lines


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, help="where every figure is kept")
    parser.add_argument("--tuned", type=json.loads, required=True, help="what a study found")
    parser.add_argument("--regime", choices=sorted(REGIMES), default="device")
    parser.add_argument("--pairs", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=25.0)
    parser.add_argument("--seed", type=int, default=11)
    given = parser.parse_args()
    sets: dict[str, Mapping[str, Value]] = {
        "defaults": {},
        "tuned": given.tuned,
        "by hand": EXPERT,
    }
    rows = measured(sets, given.regime, given.pairs, given.seconds, given.seed)
    given.file.write_text(json.dumps(rows), "utf-8")
    loads = [row["foreign_load"] for row in rows]
    head = f"{given.pairs} rounds of {given.seconds:g} s; others kept {np.median(loads):.1f} busy."
    sys.stdout.write("\n".join([head, "", *table(rows, list(sets))]) + "\n")


if __name__ == "__main__":
    main()
