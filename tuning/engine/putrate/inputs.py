"""What a put-rate model may know: options, load and machine; never what came out of the trial."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tuning.engine.options import Value
from tuning.engine.problems import ModelError
from tuning.engine.rocksdb.catalogue import MIB

#: Bytes that RocksDB adds to a record in the log (header, type and two lengths).
LOG_OVERHEAD_BYTES = 16
#: Bytes of sequence number and type beside each key in a table.
KEY_OVERHEAD_BYTES = 8
#: What is left of a value beyond its entropy, by codec: a share of it, and bytes of each record.
#: Ours, from tables that RocksDB 9.8 wrote of db_bench-like values of 100 to 4096 bytes.
CODEC_REST = {"none": math.inf, "snappy": 0.06, "lz4": 0.06, "zstd": 0.03}
RECORD_REST_BYTES = {"none": 3.0, "snappy": 17.0, "lz4": 17.0, "zstd": 15.0}


@dataclass(frozen=True)
class PutInputs:
    """Inputs of every put-rate model.

    Attributes
    ----------
    key_bytes, value_bytes : float
        Mean sizes (B).
    compressed_to : float
        Entropy of a value over its size, in (0, 1].
    codec : {"none", "snappy", "lz4", "zstd"}
    is_universal : bool
        Universal instead of level compaction.
    has_log, is_log_synced : bool
        Whether puts go to the log, and whether the log loads the device.
    buffer_bytes, n_buffers : float
        Size (B) and number of write buffers.
    l0_trigger, l0_slowdown, l0_stop : float
        Files in level 0 that start a compaction, slow writes and stop them.
    level_base_bytes, multiplier : float
        Size of the first sorted level (B) and ratio between levels.
    limiter_bps : float
        RocksDB's own limit for flushes and compactions (B/s); infinite for none.
    seconds : float
        How long the load runs (s).
    write_bps, read_bps : float
        Bandwidth of the device (B/s).
    spin_ns : float
        What a thread gets of the processors now; see `tuning.engine.host.spin_ns`.
    foreign_load : float
        Processors that others keep busy now.
    """

    key_bytes: float
    value_bytes: float
    compressed_to: float
    codec: str
    is_universal: bool
    has_log: bool
    is_log_synced: bool
    buffer_bytes: float
    n_buffers: float
    l0_trigger: float
    l0_slowdown: float
    l0_stop: float
    level_base_bytes: float
    multiplier: float
    limiter_bps: float
    seconds: float
    write_bps: float
    read_bps: float
    spin_ns: float
    foreign_load: float

    def __post_init__(self) -> None:
        """Refuse what no formula can use.

        Raises
        ------
        ModelError
            Naming the input and the value.
        """
        for name in _POSITIVE:
            value = getattr(self, name)
            if not value > 0:
                raise ModelError(
                    "model_input", model="put rate", field=name, value=value, rule="above 0"
                )
        if self.codec not in CODEC_REST:
            raise ModelError(
                "model_input",
                model="put rate",
                field="codec",
                value=self.codec,
                rule=", ".join(CODEC_REST),
            )

    @property
    def user_bytes(self) -> float:
        """Bytes of a record as the user hands it over."""
        return self.key_bytes + self.value_bytes

    @property
    def table_bytes(self) -> float:
        """Bytes of a record in a table, compressed."""
        share = min(1.0, self.compressed_to + CODEC_REST[self.codec])
        left = share * self.value_bytes + RECORD_REST_BYTES[self.codec]
        return self.key_bytes + KEY_OVERHEAD_BYTES + left

    @property
    def compression_ratio(self) -> float:
        """Bytes in a table per byte handed over."""
        return self.table_bytes / self.user_bytes

    @property
    def log_bytes(self) -> float:
        """Bytes of a record that the log brings to the device."""
        if not (self.has_log and self.is_log_synced):
            return 0.0
        return self.user_bytes + LOG_OVERHEAD_BYTES

    @property
    def file_bytes(self) -> float:
        """Bytes of a flushed buffer in level 0."""
        return self.buffer_bytes * self.compression_ratio

    def as_json(self) -> dict[str, Any]:
        """Return plain values; infinity as None."""
        plain = dataclasses.asdict(self)
        return {name: None if value == math.inf else value for name, value in plain.items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "PutInputs":
        """Return what `as_json` gave."""
        known = {one.name: data[one.name] for one in dataclasses.fields(cls)}
        if known["limiter_bps"] is None:
            known["limiter_bps"] = math.inf
        return cls(**known)


_POSITIVE = (
    "key_bytes",
    "value_bytes",
    "compressed_to",
    "buffer_bytes",
    "n_buffers",
    "l0_trigger",
    "level_base_bytes",
    "multiplier",
    "limiter_bps",
    "seconds",
    "write_bps",
    "read_bps",
    "spin_ns",
)


def inputs(
    configuration: Mapping[str, Value],
    parameters: Mapping[str, Value],
    *,
    seconds: float,
    write_bps: float,
    read_bps: float,
    spin_ns: float,
    foreign_load: float,
) -> PutInputs:
    """Return the inputs of a whole configuration under a whole set of workload parameters.

    Parameters
    ----------
    write_bps, read_bps : float
        Of the device as probed (B/s); a held device has what it is held to.
    """
    held = float(parameters["hold_mib_s"]) * MIB
    limiter = float(configuration["rate_limiter"]) * MIB
    return PutInputs(
        key_bytes=float(parameters["key_size"]),
        value_bytes=float(parameters["value_size"]),
        compressed_to=float(parameters["compressed_to"]),
        codec=str(configuration["compression"]),
        is_universal=configuration["compaction_style"] == "universal",
        has_log=bool(parameters["wal"]),
        is_log_synced=bool(parameters["wal_sync"]),
        buffer_bytes=float(configuration["write_buffer_size"]) * MIB,
        n_buffers=float(configuration["max_write_buffer_number"]),
        l0_trigger=float(configuration["level0_file_num_compaction_trigger"]),
        l0_slowdown=float(configuration["level0_slowdown_writes_trigger"]),
        l0_stop=float(configuration["level0_stop_writes_trigger"]),
        level_base_bytes=float(configuration["max_bytes_for_level_base"]) * MIB,
        multiplier=float(configuration["max_bytes_for_level_multiplier"]),
        limiter_bps=limiter or math.inf,
        seconds=seconds,
        write_bps=min(held, write_bps) if held else write_bps,
        read_bps=min(held, read_bps) if held else read_bps,
        spin_ns=spin_ns,
        foreign_load=foreign_load,
    )
