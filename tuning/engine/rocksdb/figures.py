"""Turn what the measured process says into the values and samples of a measurement."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tuning.engine import histogram
from tuning.engine.contract import Samples
from tuning.engine.options import Value
from tuning.engine.rocksdb.catalogue import MIB


def samples(done: Mapping[str, Any]) -> dict[str, Samples]:
    """Return the raw samples: operations per second, properties, histograms."""
    n_seconds = max(1, int(np.ceil(done["seconds"])))
    found = {
        f"{name}s_per_s": _per_second(pairs, n_seconds) for name, pairs in done["done"].items()
    }
    grid = np.arange(1, n_seconds + 1, dtype=float)
    sampled = {name: np.array(one, dtype=float) for name, one in done["per_second"].items()}
    at = sampled.pop("at_s", np.zeros(0))
    for name, values in sampled.items():
        found[name] = np.interp(grid, at, values) if len(at) else np.zeros(n_seconds)
    for name, counts in done["histograms"].items():
        found[f"{name}_latency_counts"] = np.array(counts, dtype=float)
    return found


#: What the worker counts up, by figure of a running instance: puts and reads from the start of the
#: load, the others from that of the process.
_OPERATIONS: Mapping[str, str] = {"rate": "n_puts", "read_rate": "n_reads"}
_GROWING: Mapping[str, str] = {
    "cpu_cores": "cpu_s",
    "written_bytes_s": "device_write_bytes",
    "flushed_bytes_s": "flush_write_bytes",
    "compacted_bytes_s": "compact_write_bytes",
}
_STANDING: Mapping[str, str] = {
    "memory_bytes": "memory_bytes",
    "size_bytes": "space_bytes",
    "debt_bytes": "debt_bytes",
    "write_us": "put_us",
    "write_p99_us": "put_p99_us",
}


def second(before: Mapping[str, float], now: Mapping[str, float]) -> dict[str, float]:
    """Return what the engine did between two events ``second`` of the worker.

    Parameters
    ----------
    before : mapping
        The event before; empty for the first second, of which less is known.

    Returns
    -------
    dict
        By name of figure of a running instance.
    """
    seconds = max(now["at_s"] - before.get("at_s", 0.0), 1e-6)
    counted = {**_OPERATIONS, **_GROWING} if before else _OPERATIONS
    found = {
        ours: max(0.0, now[name] - before.get(name, 0.0)) / seconds
        for ours, name in counted.items()
    }
    found |= {ours: now[name] for ours, name in _STANDING.items() if name in now}
    found["n_jobs"] = now["running_compactions"] + now["running_flushes"]
    if before:
        stalled_s = (now["stall_us"] - before["stall_us"]) / 1e6
        found["stalled_share"] = min(1.0, max(0.0, stalled_s / seconds))
    return found


def drained(done: Mapping[str, Any]) -> float:
    """Return the seconds to drain all debt, extrapolated where the wait ended before."""
    first, left, waited = done["debt_bytes"], done["debt_left_bytes"], done["drain_s"]
    if left <= 0:
        return float(waited)
    rate = max((first - left) / max(waited, 1e-9), 1.0)
    return float(waited + left / rate)


def values(
    done: Mapping[str, Any], found: Mapping[str, Samples], parameters: Mapping[str, Value]
) -> dict[str, float]:
    """Return every metric of a trial."""
    seconds, drain_s = done["seconds"], drained(done)
    warm = int(seconds * float(parameters["warmup"]))
    puts, reads = found["puts_per_s"], found["reads_per_s"]
    counters = done["counters"]
    whole = slice(warm, max(int(seconds), warm + 1))
    n_reads = float(reads.sum())
    n_operations = float(puts.sum()) + n_reads
    written = counters["flush_write_bytes"] + counters["compact_write_bytes"]
    figures = {
        "sustainable_rate": done["n_puts"] / (seconds + drain_s),
        "rate": n_operations / (seconds + drain_s),
        "put_rate": float(puts[whole].mean()),
        "read_rate": float(reads[whole].mean()),
        "longest_stall_s": float(done["longest_s"]),
        "stalled_share": min(1.0, counters["stall_us"] / 1e6 / seconds),
        "write_amplification": written / max(done["put_bytes"], 1),
        "read_cost": counters["block_data_miss"] / n_reads if n_reads else 0.0,
        "space_bytes": float(done["space_bytes"]),
        "peak_space_bytes": float(max(found["space_bytes"].max(), done["folder_bytes"])),
        "debt_bytes": float(done["debt_bytes"]),
        "drain_s": drain_s,
        "cpu_us_per_operation": 1e6 * done["cpu_s"] / max(n_operations, 1.0),
        "device_write_bytes": float(done["device_write_bytes"]),
    }
    for name in ("put", "read"):
        figures |= histogram.percentiles(name, found[f"{name}_latency_counts"])
    return figures


def space_needed_bytes(parameters: Mapping[str, Value], seconds: float) -> int:
    """Return the free space that a trial may need; generous, ours.

    Fast puts on an idle machine (100 MiB/s, or what the rate limit or the held device lets
    through), doubled for compactions, beside what is put before.
    """
    record = int(parameters["key_size"]) + int(parameters["value_size"])
    bytes_s = 100.0 * MIB
    if parameters["rate_limit"]:
        bytes_s = min(bytes_s, int(parameters["rate_limit"]) * record)
    if parameters["hold_mib_s"]:
        bytes_s = min(bytes_s, 4.0 * float(parameters["hold_mib_s"]) * MIB)
    return int(2 * (bytes_s * seconds + int(parameters["preload"]) * record))


def _per_second(pairs: list[list[int]], n_seconds: int) -> Samples:
    found = np.zeros(n_seconds)
    for second, n in pairs:
        found[min(second, n_seconds - 1)] += n
    return found
