"""Turn a configuration into what rocksdict opens a database with."""

from collections.abc import Mapping
from pathlib import Path

import rocksdict

from tuning.engine.options import Value
from tuning.engine.rocksdb.catalogue import SIZES

#: Options handed over as they are, by a setter of the same name.
_PLAIN = (
    "max_write_buffer_number",
    "max_bytes_for_level_multiplier",
    "level_compaction_dynamic_level_bytes",
    "max_background_jobs",
    "max_subcompactions",
    "use_direct_io_for_flush_and_compaction",
    "enable_pipelined_write",
    "unordered_write",
    "write_buffer_size",
    "target_file_size_base",
    "max_bytes_for_level_base",
    "soft_pending_compaction_bytes_limit",
    "hard_pending_compaction_bytes_limit",
)
#: Options whose setter is named otherwise.
_RENAMED = {
    "min_write_buffer_number_to_merge": "set_min_write_buffer_number_to_merge",
    "level0_file_num_compaction_trigger": "set_level_zero_file_num_compaction_trigger",
    "level0_slowdown_writes_trigger": "set_level_zero_slowdown_writes_trigger",
    "level0_stop_writes_trigger": "set_level_zero_stop_writes_trigger",
}
_SETTERS = {name: f"set_{name}" for name in _PLAIN} | _RENAMED
#: RocksDB's own choices for its rate limiter.
_REFILL_US, _FAIRNESS = 100_000, 10


def options(configuration: Mapping[str, Value]) -> rocksdict.Options:
    """Return the options of a new database.

    Parameters
    ----------
    configuration : mapping
        A whole one.

    Raises
    ------
    Exception
        Whatever rocksdict raises for a value it refuses.
    """
    made = rocksdict.Options(raw_mode=True)
    made.create_if_missing(True)
    made.enable_statistics()
    made.set_stats_dump_period_sec(0)
    for name, setter in _SETTERS.items():
        getattr(made, setter)(in_bytes(name, configuration[name]))
    if configuration["rate_limiter"]:
        limit = int(in_bytes("rate_limiter", configuration["rate_limiter"]))
        made.set_ratelimiter(limit, _REFILL_US, _FAIRNESS)
    made.set_compression_type(_compression(configuration["compression"]))
    if configuration["bottommost_compression"] != "same":
        made.set_bottommost_compression_type(_compression(configuration["bottommost_compression"]))
    made.set_block_based_table_factory(_table(configuration))
    if configuration["compaction_style"] == "universal":
        _make_universal(made, configuration)
    return made


def in_bytes(name: str, value: Value) -> Value:
    """Return a size in bytes; other values as they are."""
    return int(float(value) * SIZES[name]) if name in SIZES else value


def database(
    folder: Path, configuration: Mapping[str, Value], *, wal: bool
) -> tuple[rocksdict.Rdict, rocksdict.Options]:
    """Open a new database in a folder."""
    made = options(configuration)
    opened = rocksdict.Rdict(str(folder), made)
    writing = rocksdict.WriteOptions()
    # The stub calls a property a method.
    writing.disable_wal = not wal  # type: ignore[method-assign,assignment]  # it is one
    opened.set_write_options(writing)
    return opened, made


def _compression(name: Value) -> rocksdict.DBCompressionType:
    made: rocksdict.DBCompressionType = getattr(rocksdict.DBCompressionType, str(name))()
    return made


def _table(configuration: Mapping[str, Value]) -> rocksdict.BlockBasedOptions:
    table = rocksdict.BlockBasedOptions()
    table.set_block_size(int(in_bytes("block_size", configuration["block_size"])))
    size = int(in_bytes("block_cache_size", configuration["block_cache_size"]))
    table.set_block_cache(rocksdict.Cache(size))
    if configuration["bloom_bits"]:
        table.set_bloom_filter(int(configuration["bloom_bits"]), False)
    return table


def _make_universal(made: rocksdict.Options, configuration: Mapping[str, Value]) -> None:
    made.set_compaction_style(rocksdict.DBCompactionStyle.universal())
    universal = rocksdict.UniversalCompactOptions()
    universal.size_ratio = int(configuration["universal_size_ratio"])
    universal.max_size_amplification_percent = int(
        configuration["universal_max_size_amplification_percent"]
    )
    made.set_universal_compaction_options(universal)
