"""Loads for RocksDB: mixes of operations, distributions of keys and values, and conditions.

Sources
-------
Cooper and others, "Benchmarking Cloud Serving Systems with YCSB" (2010), for A to F; RocksDB's
db_bench for what compressible values are made of.
"""

from portal.lib.coded import gettext_noop
from tuning.engine.contract import Workload
from tuning.engine.options import Option, Value

SHARES = ("put_share", "read_share", "scan_share", "modify_share")


def _share(name: str, default: float, text: str) -> Option:
    return Option(name, "real", default, 0.0, 1.0, help=text)


OPTIONS: tuple[Option, ...] = (
    _share("put_share", 1.0, gettext_noop("Puts among the operations; shares are normalised.")),
    _share("read_share", 0.0, gettext_noop("Reads of one key among the operations.")),
    _share("scan_share", 0.0, gettext_noop("Short scans among the operations.")),
    _share("modify_share", 0.0, gettext_noop("Reads followed by a put of the same key.")),
    _share("insert_share", 0.0, gettext_noop("Puts of new keys among all puts.")),
    Option(
        "keys",
        "choice",
        "uniform",
        choices=("uniform", "zipfian", "latest", "sequential"),
        help=gettext_noop("How keys are drawn; Zipf's exponent is 0.99 as in YCSB."),
    ),
    Option(
        "key_space",
        "integer",
        5_000_000,
        1_000,
        1_000_000_000,
        log=True,
        help=gettext_noop("Different keys."),
    ),
    Option(
        "preload",
        "integer",
        0,
        0,
        10_000_000,
        help=gettext_noop("Keys put before the clock starts; compacted until nothing is pending."),
    ),
    Option("key_size", "integer", 16, 8, 256, unit="B", help=gettext_noop("Size of a key.")),
    Option(
        "value_size",
        "integer",
        400,
        16,
        65_536,
        log=True,
        unit="B",
        help=gettext_noop("Mean size of a value."),
    ),
    Option(
        "value_sizes",
        "choice",
        "fixed",
        choices=("fixed", "uniform", "skewed"),
        help=gettext_noop(
            "Sizes of values: all the same, from half to one and a half of the mean, or mostly "
            "small with a long tail."
        ),
    ),
    Option(
        "compressed_to",
        "real",
        0.5,
        0.01,
        1.0,
        help=gettext_noop("Share of a value that is left when it is compressed."),
    ),
    Option(
        "wal",
        "switch",
        True,
        help=gettext_noop("Whether puts go to the write-ahead log."),
    ),
    Option(
        "wal_sync",
        "real",
        0.0,
        0.0,
        64.0,
        unit="MiB",
        help=gettext_noop(
            "Sync the log each time this much was put, so that it loads the device as it does over "
            "weeks; 0: never, and a log that is deleted soon enough costs the device nothing."
        ),
    ),
    Option(
        "rate_limit",
        "integer",
        0,
        0,
        10_000_000,
        unit="1/s",
        help=gettext_noop(
            "Operations offered a second; latency counts from when each was due. 0: one after "
            "another as fast as they go."
        ),
    ),
    Option(
        "scan_length",
        "integer",
        50,
        1,
        10_000,
        log=True,
        help=gettext_noop("Keys that a scan reads."),
    ),
    Option(
        "hold_mib_s",
        "real",
        0.0,
        0.0,
        100_000.0,
        unit="MiB/s",
        help=gettext_noop(
            "Hold the device to this bandwidth, reading and writing each; 0: as it is."
        ),
    ),
    Option(
        "cpu_limit",
        "real",
        0.0,
        0.0,
        1024.0,
        help=gettext_noop("Hold the process to this many processors; 0: as it is."),
    ),
    Option(
        "warmup",
        "real",
        0.2,
        0.0,
        0.8,
        help=gettext_noop("Share of the run that latencies and rates leave out."),
    ),
    Option(
        "drain_limit",
        "integer",
        120,
        1,
        3_600,
        unit="s",
        help=gettext_noop(
            "Longest wait for the compaction debt; what is left then is extrapolated and said."
        ),
    ),
    Option(
        "until_steady",
        "switch",
        False,
        help=gettext_noop("End the load as soon as rate and debt are stationary."),
    ),
)

_YCSB: dict[str, Value] = {
    "key_space": 200_000,
    "preload": 200_000,
    "value_size": 1000,
    "keys": "zipfian",
}

WORKLOADS: tuple[Workload, ...] = (
    Workload(
        "put-heavy", {}, gettext_noop("Puts of 400-byte values to random keys, nothing else.")
    ),
    Workload(
        "mixed",
        {"put_share": 0.5, "read_share": 0.5, "key_space": 200_000, "preload": 200_000},
        gettext_noop("As many reads as puts over 200,000 keys."),
    ),
    Workload(
        "read-heavy",
        {"put_share": 0.05, "read_share": 0.95, "key_space": 200_000, "preload": 200_000},
        gettext_noop("Nineteen reads for a put over 200,000 keys."),
    ),
    Workload(
        "held-disk",
        {"hold_mib_s": 16.0},
        gettext_noop("Puts only, on a device held to 16 MiB/s."),
    ),
    Workload(
        "held-disk-synced",
        {"hold_mib_s": 16.0, "wal_sync": 1.0},
        gettext_noop("Puts only, on a device held to 16 MiB/s, the log synced each MiB."),
    ),
    Workload(
        "ycsb-a",
        {**_YCSB, "put_share": 0.5, "read_share": 0.5},
        gettext_noop("YCSB A: half reads, half updates."),
    ),
    Workload(
        "ycsb-b",
        {**_YCSB, "put_share": 0.05, "read_share": 0.95},
        gettext_noop("YCSB B: 95 % reads, 5 % updates."),
    ),
    Workload(
        "ycsb-c",
        {**_YCSB, "put_share": 0.0, "read_share": 1.0},
        gettext_noop("YCSB C: reads only."),
    ),
    Workload(
        "ycsb-d",
        {**_YCSB, "put_share": 0.05, "read_share": 0.95, "insert_share": 1.0, "keys": "latest"},
        gettext_noop("YCSB D: 95 % reads of the latest, 5 % inserts."),
    ),
    Workload(
        "ycsb-e",
        {**_YCSB, "put_share": 0.05, "scan_share": 0.95, "insert_share": 1.0},
        gettext_noop("YCSB E: 95 % short scans, 5 % inserts."),
    ),
    Workload(
        "ycsb-f",
        {**_YCSB, "put_share": 0.0, "read_share": 0.5, "modify_share": 0.5},
        gettext_noop("YCSB F: half reads, half read-modify-write."),
    ),
)
