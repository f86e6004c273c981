"""What is known to help RocksDB, by what limits it: where a search begins.

None of it is a gain before it is measured: a search measures these sets first, says which trial
came from here, and has the best of all proved in pairs like any other candidate.

Sources
-------
RocksDB wiki, "RocksDB Tuning Guide" (write buffers, triggers, Bloom filters), "Universal
Compaction", "Write Stalls" and "Compression".
"""

from collections.abc import Mapping

from portal.lib.coded import gettext_noop
from tuning.engine.contract import Advice

#: Share of the load that writes stood still, and seconds of debt left to drain, from which the
#: device counts as the limit; ours, well below what a held disk shows (0.7 to 0.9, 7 to 19 s).
STALLED_SHARE, DRAIN_S = 0.2, 2.0

_PATIENT: dict[str, int] = {
    "level0_file_num_compaction_trigger": 16,
    "level0_slowdown_writes_trigger": 40,
    "level0_stop_writes_trigger": 60,
}
DEVICE: tuple[Advice, ...] = (
    Advice(
        "universal-zstd",
        {
            "compaction_style": "universal",
            "compression": "zstd",
            "max_write_buffer_number": 4,
            "max_background_jobs": 4,
            **_PATIENT,
        },
        gettext_noop(
            "Universal compaction from sixteen runs on and zstd: a byte is rewritten less often "
            "and smaller, and reads look into more runs."
        ),
    ),
    Advice(
        "merged-buffers",
        {
            "compaction_style": "universal",
            "compression": "lz4",
            "max_write_buffer_number": 6,
            "min_write_buffer_number_to_merge": 2,
            "max_background_jobs": 4,
            "level0_file_num_compaction_trigger": 8,
            "level0_slowdown_writes_trigger": 40,
            "level0_stop_writes_trigger": 60,
        },
        gettext_noop(
            "Universal compaction of pairs of write buffers merged in memory: fewer and larger "
            "runs from the start."
        ),
    ),
    Advice(
        "level-patient",
        {
            "compression": "zstd",
            "max_write_buffer_number": 4,
            "max_bytes_for_level_base": 1024,
            "max_background_jobs": 4,
            **_PATIENT,
        },
        gettext_noop(
            "Level compaction in larger steps: level 1 as large as the sixteen files of level 0 "
            "that are merged into it, so that it is rewritten less often."
        ),
    ),
    Advice(
        "small-buffers",
        {
            "compaction_style": "universal",
            "compression": "zstd",
            "write_buffer_size": 32,
            "max_write_buffer_number": 6,
            "max_background_jobs": 4,
            "level0_file_num_compaction_trigger": 24,
            "level0_slowdown_writes_trigger": 48,
            "level0_stop_writes_trigger": 64,
        },
        gettext_noop(
            "Smaller write buffers, so that none waits long for its flush and stalls are short."
        ),
    ),
    Advice(
        "zstd",
        {"compression": "zstd"},
        gettext_noop("Stronger compression alone: fewer bytes for more processor time."),
    ),
)
READS: tuple[Advice, ...] = (
    Advice(
        "bloom-and-cache",
        {"bloom_bits": 10, "block_cache_size": 512},
        gettext_noop(
            "A Bloom filter and a larger block cache: reads look into fewer tables and fewer "
            "blocks."
        ),
    ),
    Advice(
        "cheap-blocks",
        {"bloom_bits": 10, "block_cache_size": 1024, "compression": "lz4"},
        gettext_noop("As before, with blocks that are cheap to unpack."),
    ),
)
PROCESSOR: tuple[Advice, ...] = (
    Advice(
        "cheap-compression",
        {"compression": "lz4", "write_buffer_size": 128, "max_write_buffer_number": 4},
        gettext_noop("Cheaper compression and larger write buffers: fewer flushes."),
    ),
    Advice(
        "less-merging",
        {
            "compaction_style": "universal",
            "compression": "lz4",
            "max_write_buffer_number": 4,
            **_PATIENT,
        },
        gettext_noop("Universal compaction from sixteen runs on: less time spent on merging."),
    ),
    Advice(
        "no-compression",
        {"compression": "none", "max_write_buffer_number": 4},
        gettext_noop("No compression: less processor time for more bytes."),
    ),
)


def of(values: Mapping[str, float]) -> tuple[Advice, ...]:
    """Return what is advised for an engine that showed such figures, the best first."""
    stalls = values.get("stalled_share", 0.0) >= STALLED_SHARE
    writes = DEVICE if stalls or values.get("drain_s", 0.0) >= DRAIN_S else PROCESSOR
    if values.get("read_rate", 0.0) <= 0:
        return writes
    if values.get("put_rate", 0.0) <= 0:
        return READS
    return (*READS, *writes)
