"""Do our figures agree with RocksDB's own? Bytes put, flushed and compacted, three ways.

    python -m benchmarks.tuning.counters --seconds 10

One load per compaction style; its puts are counted by the load itself, by RocksDB's statistics and
from the events of its LOG. Prints a table in Markdown with the disagreement of each pair.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tuning.engine.contract import Workload, workload_parameters
from tuning.engine.importers.log import read_log
from tuning.engine.putrate.inputs import LOG_OVERHEAD_BYTES
from tuning.engine.rocksdb import counters
from tuning.engine.rocksdb.load import Load
from tuning.engine.rocksdb.opening import database
from tuning.engine.rocksdb.stream import Stream
from tuning.engine.rocksdb.target import RocksDB

SMALL = {"write_buffer_size": 2, "target_file_size_base": 2, "max_bytes_for_level_base": 8}


def compared(style: str, seconds: float) -> list[tuple[str, float, float]]:
    """Return what was compared, our figure, and RocksDB's counter."""
    target = RocksDB()
    parameters = workload_parameters(target, Workload("counters", {"wal_sync": 0.0}))
    whole = target.check({**SMALL, "compaction_style": style})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        opened, made = database(folder, whole, wal=True)
        load = Load(opened, made, parameters, lambda event, **values: None, lambda: False)
        tally = load.run(Stream(parameters, 5), seconds, 0.0)
        load.drain(120.0)
        told = counters.reported(made.get_statistics() or "")
        opened.close()
        with (folder / "LOG").open(encoding="utf-8", errors="replace") as lines:
            log = read_log(lines)
    put = tally.put_bytes + LOG_OVERHEAD_BYTES * tally.n_puts
    return [
        ("puts", tally.n_puts, told["keys_written"]),
        ("bytes put, with 16 a record", put, told["bytes_written"]),
        ("bytes flushed (LOG)", log.flushed_bytes, told["flush_write_bytes"]),
        ("bytes compacted (LOG)", log.compacted_bytes, told["compact_write_bytes"]),
    ]


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()
    lines = ["| style | figure | ours | RocksDB's | off by |", "|---|---|---:|---:|---:|"]
    for style in ("level", "universal"):
        for what, ours, theirs in compared(style, given.seconds):
            off = abs(ours - theirs) / max(theirs, 1)
            lines.append(f"| {style} | {what} | {ours:,.0f} | {theirs:,.0f} | {off:.2%} |")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
