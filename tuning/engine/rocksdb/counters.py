"""RocksDB's own statistics: parsed from its text, and subtracted over a trial."""

import re
from collections.abc import Mapping

_TICKER = re.compile(r"^(rocksdb\.\S+) COUNT : (\d+)$", re.MULTILINE)
_HISTOGRAM = re.compile(
    r"^(rocksdb\.\S+) P50 : (\S+) P95 : (\S+) P99 : (\S+) P100 : (\S+) COUNT : (\d+) SUM : (\d+)$",
    re.MULTILINE,
)

#: Our name of each ticker that a measurement reports.
TICKERS: Mapping[str, str] = {
    "bytes_written": "rocksdb.bytes.written",
    "wal_bytes": "rocksdb.wal.bytes",
    "flush_write_bytes": "rocksdb.flush.write.bytes",
    "compact_read_bytes": "rocksdb.compact.read.bytes",
    "compact_write_bytes": "rocksdb.compact.write.bytes",
    "compact_cpu_us": "rocksdb.compaction.total.time.cpu_micros",
    "stall_us": "rocksdb.stall.micros",
    "keys_written": "rocksdb.number.keys.written",
    "keys_read": "rocksdb.number.keys.read",
    "block_data_miss": "rocksdb.block.cache.data.miss",
    "block_data_hit": "rocksdb.block.cache.data.hit",
    "bloom_useful": "rocksdb.bloom.filter.useful",
    "keys_dropped_as_new": "rocksdb.compaction.key.drop.new",
}


def tickers(text: str) -> dict[str, int]:
    """Return every counter of a statistics dump by RocksDB's name."""
    return {name: int(value) for name, value in _TICKER.findall(text)}


def histograms(text: str) -> dict[str, dict[str, float]]:
    """Return every histogram of a statistics dump by RocksDB's name."""
    keys = ("p50", "p95", "p99", "p100", "count", "sum")
    return {
        found[0]: dict(zip(keys, map(float, found[1:]), strict=True))
        for found in _HISTOGRAM.findall(text)
    }


def reported(text: str) -> dict[str, int]:
    """Return the counters that a measurement reports, by our names."""
    every = tickers(text)
    return {ours: every.get(theirs, 0) for ours, theirs in TICKERS.items()}


def grown(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """Return by how much counters grew."""
    return {name: after[name] - before.get(name, 0) for name in after}
