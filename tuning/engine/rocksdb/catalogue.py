"""The options of RocksDB that can be set through rocksdict, with RocksDB 9.8's own defaults.

Names are RocksDB's. Sizes are in MiB or KiB here, in bytes there: see `SIZES`. Left out although
rocksdict has setters: ``bytes_per_sync`` and ``wal_bytes_per_sync``, because its build has no
``sync_file_range`` and they do nothing (measured: no byte of the log reached the device).

Sources
-------
RocksDB wiki, "RocksDB Tuning Guide", "Leveled Compaction", "Universal Compaction", "Write Stalls";
defaults from the LOG that RocksDB 9.8.4 writes when it is opened without any option. Constraints:
``DBImpl::ValidateOptions`` and ``SanitizeOptions`` of RocksDB 9.8, as far as they speak of options
that stand here; what RocksDB would silently correct (triggers out of order) is refused as well.
"""

from collections.abc import Mapping

from portal.lib.coded import gettext_noop
from tuning.engine.options import Constraint, Option, Value

MIB = 1 << 20
KIB = 1 << 10
#: Write buffers and block cache together may take this much (MiB); ours.
MEMORY_MIB = 4096
#: A slower rate limiter is refused; ours.
LEAST_LIMIT_MIB_S = 1.0


def _whole(
    name: str, default: int, low: int, high: int, text: str, unit: str = "", *, log: bool = True
) -> Option:
    return Option(name, "integer", default, low, high, log=log, unit=unit, help=text)


def _switch(name: str, text: str, *, default: bool) -> Option:
    return Option(name, "switch", default, help=text)


OPTIONS: tuple[Option, ...] = (
    _whole(
        "write_buffer_size",
        64,
        1,
        1024,
        gettext_noop("Size of one write buffer; a full one is flushed to level 0."),
        "MiB",
    ),
    _whole(
        "max_write_buffer_number",
        2,
        2,
        16,
        gettext_noop("Write buffers, the active one included, before writes stop."),
    ),
    _whole(
        "min_write_buffer_number_to_merge",
        1,
        1,
        8,
        gettext_noop("Full write buffers merged before they are flushed."),
    ),
    _whole(
        "level0_file_num_compaction_trigger",
        4,
        1,
        64,
        gettext_noop("Files in level 0 that start a compaction."),
    ),
    _whole(
        "level0_slowdown_writes_trigger",
        20,
        1,
        512,
        gettext_noop("Files in level 0 from which writes are slowed down."),
    ),
    _whole(
        "level0_stop_writes_trigger",
        36,
        2,
        1024,
        gettext_noop("Files in level 0 from which writes stop."),
    ),
    _whole(
        "target_file_size_base",
        64,
        1,
        1024,
        gettext_noop("Size of a table file in level 1."),
        "MiB",
    ),
    _whole(
        "max_bytes_for_level_base",
        256,
        1,
        16384,
        gettext_noop("Size that level 1 may reach."),
        "MiB",
    ),
    Option(
        "max_bytes_for_level_multiplier",
        "real",
        10.0,
        2.0,
        20.0,
        help=gettext_noop("How many times larger each level is than the one above it."),
    ),
    _switch(
        "level_compaction_dynamic_level_bytes",
        gettext_noop("Derive the sizes of levels from the last one, which bounds the space."),
        default=True,
    ),
    _whole(
        "max_background_jobs",
        2,
        1,
        16,
        gettext_noop("Flushes and compactions that run at once."),
    ),
    _whole(
        "max_subcompactions",
        1,
        1,
        8,
        gettext_noop("Threads that share one compaction from level 0."),
    ),
    Option(
        "compression",
        "choice",
        "snappy",
        choices=("none", "snappy", "lz4", "zstd"),
        help=gettext_noop("Compression of table blocks."),
    ),
    Option(
        "bottommost_compression",
        "choice",
        "same",
        choices=("same", "none", "snappy", "lz4", "zstd"),
        help=gettext_noop("Compression in the last level."),
    ),
    Option(
        "compaction_style",
        "choice",
        "level",
        choices=("level", "universal"),
        help=gettext_noop(
            "Level writes more and takes less space; universal writes less and takes more space."
        ),
    ),
    _whole(
        "universal_size_ratio",
        1,
        0,
        100,
        gettext_noop("Percentage by which runs may differ and still be merged (universal)."),
        "%",
        log=False,
    ),
    _whole(
        "universal_max_size_amplification_percent",
        200,
        10,
        1000,
        gettext_noop("Extra space before everything is merged (universal)."),
        "%",
    ),
    _whole(
        "block_cache_size",
        32,
        1,
        2048,
        gettext_noop("Memory for blocks that were read."),
        "MiB",
    ),
    _whole("block_size", 4, 1, 128, gettext_noop("Size of a table block."), "KiB"),
    _whole(
        "bloom_bits",
        0,
        0,
        20,
        gettext_noop("Bits of the Bloom filter per key; 0: no filter."),
        log=False,
    ),
    _whole(
        "soft_pending_compaction_bytes_limit",
        65536,
        64,
        1048576,
        gettext_noop("Compaction debt from which writes are slowed down."),
        "MiB",
    ),
    _whole(
        "hard_pending_compaction_bytes_limit",
        262144,
        64,
        1048576,
        gettext_noop("Compaction debt from which writes stop."),
        "MiB",
    ),
    Option(
        "rate_limiter",
        "real",
        0.0,
        0.0,
        2048.0,
        unit="MiB/s",
        help=gettext_noop("Limit of RocksDB's own for flushes and compactions; 0: none."),
    ),
    _switch(
        "use_direct_io_for_flush_and_compaction",
        gettext_noop("Write table files past the page cache."),
        default=False,
    ),
    _switch(
        "unordered_write",
        gettext_noop("Give up the order of concurrent writes; RocksDB refuses it with pipelining."),
        default=False,
    ),
    _switch(
        "enable_pipelined_write",
        gettext_noop("Write the log and the write buffer in two stages."),
        default=False,
    ),
)


def _number(given: Mapping[str, Value], name: str) -> float:
    return float(given[name])


CONSTRAINTS: tuple[Constraint, ...] = (
    Constraint(
        gettext_noop(
            "Writes must not be slowed down before a compaction starts: raise "
            "level0_slowdown_writes_trigger."
        ),
        ("level0_file_num_compaction_trigger", "level0_slowdown_writes_trigger"),
        lambda one: (
            _number(one, "level0_file_num_compaction_trigger")
            <= _number(one, "level0_slowdown_writes_trigger")
        ),
    ),
    Constraint(
        gettext_noop(
            "Writes must not stop before they are slowed down: raise level0_stop_writes_trigger."
        ),
        ("level0_slowdown_writes_trigger", "level0_stop_writes_trigger"),
        lambda one: (
            _number(one, "level0_slowdown_writes_trigger")
            <= _number(one, "level0_stop_writes_trigger")
        ),
    ),
    Constraint(
        gettext_noop(
            "A flush must not wait for more buffers than there are besides the active one: lower "
            "min_write_buffer_number_to_merge."
        ),
        ("min_write_buffer_number_to_merge", "max_write_buffer_number"),
        lambda one: (
            _number(one, "min_write_buffer_number_to_merge")
            < _number(one, "max_write_buffer_number")
        ),
    ),
    Constraint(
        gettext_noop(
            "Writes must not stop before they are slowed down: raise "
            "hard_pending_compaction_bytes_limit."
        ),
        ("soft_pending_compaction_bytes_limit", "hard_pending_compaction_bytes_limit"),
        lambda one: (
            _number(one, "soft_pending_compaction_bytes_limit")
            <= _number(one, "hard_pending_compaction_bytes_limit")
        ),
    ),
    Constraint(
        gettext_noop(
            "Write buffers and block cache may take 4,096 MiB together: make them smaller or fewer."
        ),
        ("write_buffer_size", "max_write_buffer_number", "block_cache_size"),
        lambda one: (
            _number(one, "write_buffer_size") * _number(one, "max_write_buffer_number")
            + _number(one, "block_cache_size")
            <= MEMORY_MIB
        ),
    ),
    Constraint(
        gettext_noop(
            "RocksDB writes either without order or in a pipeline: switch off unordered_write or "
            "enable_pipelined_write."
        ),
        ("unordered_write", "enable_pipelined_write"),
        lambda one: not (one["unordered_write"] and one["enable_pipelined_write"]),
    ),
    Constraint(
        gettext_noop(
            "A rate limiter under 1 MiB/s never gets done with a trial: raise it, or set 0 for "
            "none."
        ),
        ("rate_limiter",),
        lambda one: not 0 < _number(one, "rate_limiter") < LEAST_LIMIT_MIB_S,
    ),
)

#: Bytes in the unit that an option has here, for every option that is a size in RocksDB.
SIZES: Mapping[str, int] = {
    option.name: {"MiB": MIB, "KiB": KIB, "MiB/s": MIB}[option.unit]
    for option in OPTIONS
    if option.unit in ("MiB", "KiB", "MiB/s")
}
