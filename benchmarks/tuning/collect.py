"""Short trials of many configurations of RocksDB, one JSON line each.

    python -m benchmarks.tuning.collect rows.jsonl --n 36

Every trial runs in a fresh database on a device held by a control group (root needed), its
compaction debt is drained and counted. The order is shuffled. What the machine gives a thread
right before each trial is measured and kept: a prediction may use it, what happens in the trial it
may not. A file that exists is gone on with, so that an ended benchmark loses nothing.
"""

import argparse
import itertools
import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tuning.engine import host
from tuning.engine.contract import preset
from tuning.engine.options import Value
from tuning.engine.rocksdb.target import RocksDB

FACTORS: Mapping[str, tuple[Value, ...]] = {
    "value_size": (100, 400, 1000, 4096),
    "compression": ("none", "lz4", "zstd"),
    "compaction_style": ("level", "universal"),
    "wal": (True, False),
    "rate_limiter": (0.0, 6.0),
    "write_buffer_size": (2, 4, 8),
    "hold_mib_s": (8.0, 16.0),
    "compressed_to": (0.3, 0.6),
}
OF_WORKLOAD = ("value_size", "wal", "hold_mib_s", "compressed_to")
_BESIDE_PROBE_S = 0.7


def drawn(n: int, seed: int) -> list[dict[str, Value]]:
    """Return configurations in which every level of a factor is about equally frequent.

    Value size, compression and style are crossed in full first; the other factors are dealt in
    shuffled rounds.
    """
    generator = np.random.default_rng(seed)
    crossed = list(itertools.product(*(FACTORS[name] for name in list(FACTORS)[:3])))
    rows: list[dict[str, Value]] = []
    while len(rows) < n:
        generator.shuffle(crossed)
        rows += [
            {
                "value_size": int(size),
                "compression": str(compression),
                "compaction_style": str(style),
            }
            for size, compression, style in crossed
        ]
    rows = rows[:n]
    for name in list(FACTORS)[3:]:
        levels = FACTORS[name]
        dealt = generator.permutation(np.arange(n) % len(levels))
        for row, level in zip(rows, dealt, strict=True):
            row[name] = levels[int(level)]
    generator.shuffle(rows)
    return rows


def configuration(row: Mapping[str, Value]) -> dict[str, Value]:
    """Return the options of a row; levels scaled to the buffer as in the defaults."""
    buffer = int(row["write_buffer_size"])
    chosen = {name: value for name, value in row.items() if name not in OF_WORKLOAD}
    return {
        **chosen,
        "target_file_size_base": buffer,
        "max_bytes_for_level_base": 4 * buffer,
    }


def trial(
    target: RocksDB, row: Mapping[str, Value], seconds: float, seed: int, folder: Path
) -> dict[str, Any]:
    """Measure one configuration and return everything as plain values."""
    changes = {name: row[name] for name in OF_WORKLOAD}
    workload = preset(target, "put-heavy", **changes, wal_sync=1.0, drain_limit=40)
    before, spin = host.reading(), host.spin_ns()
    time.sleep(_BESIDE_PROBE_S)
    beside = host.foreign_load(before, host.reading(), 0.3)
    options = configuration(row)
    measured = target.measure(options, workload, seconds=seconds, seed=seed, folder=folder)
    plain = measured.as_json()
    plain["environment"].pop("statistics")
    return {
        "row": dict(row),
        "configuration": target.check(options),
        "workload": dict(workload.parameters),
        "machine": {"spin_ns": spin, "foreign_load": beside},
        "seconds": seconds,
        "measurement": plain,
    }


def main() -> None:
    """Measure what is not measured yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--n", type=int, default=36)
    parser.add_argument("--seconds", type=float, default=14.0)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--folder", type=Path, default=None, help="on the device to measure")
    parser.add_argument("--budget", type=float, default=1_200.0, help="seconds in all")
    given = parser.parse_args()
    done = given.file.read_text("utf-8").count("\n") if given.file.exists() else 0
    target, started = RocksDB(), time.perf_counter()
    with given.file.open("a", encoding="utf-8") as file:
        for at, row in enumerate(drawn(given.n, given.seed)[done:], start=done):
            if time.perf_counter() - started > given.budget:
                break
            with tempfile.TemporaryDirectory(dir=given.folder) as folder:
                found = trial(target, row, given.seconds, given.seed + at, Path(folder))
            file.write(json.dumps(found) + "\n")
            file.flush()


if __name__ == "__main__":
    main()
