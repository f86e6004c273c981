"""Observations of a known law: the dynamic model with its parameters shifted, and noise."""

import dataclasses
import functools
import itertools
import math

import numpy as np

from tuning.engine.putrate.contract import Observation
from tuning.engine.putrate.dynamic import simulated
from tuning.engine.putrate.inputs import PutInputs

MIB = 1 << 20

BASE = PutInputs(
    key_bytes=16.0,
    value_bytes=400.0,
    compressed_to=0.5,
    codec="none",
    is_universal=False,
    has_log=True,
    is_log_synced=True,
    buffer_bytes=4.0 * MIB,
    n_buffers=2.0,
    l0_trigger=4.0,
    l0_slowdown=20.0,
    l0_stop=36.0,
    level_base_bytes=16.0 * MIB,
    multiplier=10.0,
    limiter_bps=math.inf,
    seconds=10.0,
    write_bps=8.0 * MIB,
    read_bps=8.0 * MIB,
    spin_ns=20_000.0,
    foreign_load=0.5,
)


@functools.cache
def observations(noise: float = 0.03) -> tuple[Observation, ...]:
    """Return 48 rows whose true rates are 20 % under a known course, and noisy."""
    generator = np.random.default_rng(8)
    crossed = itertools.product(
        (100.0, 400.0, 1000.0, 4096.0), ("none", "lz4", "zstd"), (False, True), (False, True)
    )
    rows = []
    for at, (value, codec, universal, log) in enumerate(crossed):
        given = dataclasses.replace(
            BASE,
            value_bytes=value,
            codec=codec,
            is_universal=universal,
            has_log=log,
            write_bps=float(generator.choice([8, 16])) * MIB,
            spin_ns=float(generator.uniform(15_000, 40_000)),
        )
        true = 0.8 * simulated(given, eta=0.3, cpu_scale=2.0).rate
        rate = true * math.exp(noise * generator.standard_normal())
        rows.append(Observation(given, rate, f"configuration {at}"))
    return tuple(rows)
