"""Operations of a load: keys, values and kinds, drawn in blocks so that drawing costs little."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuning.engine.options import Value
from tuning.engine.rocksdb.workloads import SHARES

BLOCK = 2_048
PUT, READ, SCAN, MODIFY = range(4)
#: As in YCSB.
ZIPF_EXPONENT = 0.99
#: Length of what repeats in a compressible value, as in db_bench.
FRAGMENT_BYTES = 100
_POOL_BYTES = 4 << 20


@dataclass(frozen=True)
class Block:
    """Operations to carry out one after another."""

    kinds: list[int]
    keys: list[bytes]
    values: list[bytes]

    @property
    def put_bytes(self) -> int:
        """Bytes of keys and values that its puts hand to the engine."""
        return sum(
            len(key) + len(value)
            for kind, key, value in zip(self.kinds, self.keys, self.values, strict=True)
            if kind in (PUT, MODIFY)
        )


class Stream:
    """Draws blocks of operations of a workload.

    Parameters
    ----------
    parameters : mapping
        All parameters of the workload.
    seed : int
    """

    def __init__(self, parameters: Mapping[str, Value], seed: int) -> None:
        self._generator = np.random.default_rng(seed)
        self._parameters = parameters
        shares = np.array([float(parameters[name]) for name in SHARES])
        self._shares = shares / shares.sum() if shares.sum() > 0 else np.array([1.0, 0, 0, 0])
        self._space = int(parameters["key_space"])
        #: Keys that exist for certain; inserts go on from here.
        self.n_known = int(parameters["preload"])
        self._next = 0
        pool = compressible(self._generator, float(parameters["compressed_to"]))
        self._pool = pool.tobytes()

    def preload(self, start: int, n: int) -> Block:
        """Return puts of the keys from ``start``, each once."""
        numbers = np.arange(start, start + n)
        return Block([PUT] * n, self._named(numbers), self._values(n))

    def block(self) -> Block:
        """Return the next operations."""
        kinds = self._generator.choice(4, BLOCK, p=self._shares)
        numbers = self._numbers(BLOCK)
        inserting = (kinds == PUT) & (
            self._generator.random(BLOCK) < float(self._parameters["insert_share"])
        )
        n_inserts = int(inserting.sum())
        numbers[inserting] = self.n_known + np.arange(n_inserts)
        self.n_known += n_inserts
        return Block(kinds.tolist(), self._named(numbers), self._values(BLOCK))

    def _numbers(self, n: int) -> NDArray[np.int64]:
        way = self._parameters["keys"]
        if way == "sequential":
            start, self._next = self._next, self._next + n
            return np.arange(start, start + n) % self._space
        if way == "uniform":
            return self._generator.integers(0, self._space, n)
        ranks = zipfian(self._generator, self._space, n)
        if way == "latest":
            return np.maximum(max(self.n_known, 1) - 1 - ranks, 0)
        return scattered(ranks) % self._space

    def _named(self, numbers: NDArray[np.int64]) -> list[bytes]:
        size = int(self._parameters["key_size"])
        spread = scattered(numbers) if self._parameters["keys"] != "sequential" else numbers
        raw = spread.astype(">u8").tobytes()
        tail = bytes(size - 8)
        return [raw[at : at + 8] + tail for at in range(0, len(raw), 8)]

    def _values(self, n: int) -> list[bytes]:
        mean = int(self._parameters["value_size"])
        sizes = self._sizes(n, mean)
        starts = self._generator.integers(0, len(self._pool) - int(sizes.max()) - 1, n)
        pool = self._pool
        return [
            pool[at : at + size] for at, size in zip(starts.tolist(), sizes.tolist(), strict=True)
        ]

    def _sizes(self, n: int, mean: int) -> NDArray[np.int64]:
        way = self._parameters["value_sizes"]
        if way == "fixed":
            return np.full(n, mean)
        if way == "uniform":
            return self._generator.integers(mean // 2, mean + mean // 2 + 1, n)
        drawn = self._generator.lognormal(np.log(mean) - 0.5, 1.0, n)
        return np.clip(drawn, 1, 16 * mean).astype(np.int64)


def scattered(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return numbers hashed so that neighbours lie apart (Fibonacci hashing), positive."""
    mixed = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    halved: NDArray[np.int64] = (mixed >> np.uint64(1)).astype(np.int64)
    return halved


def zipfian(generator: np.random.Generator, n_items: int, n: int) -> NDArray[np.int64]:
    """Draw ranks from 0 with Zipf's law of exponent 0.99, by inversion of its continuous form."""
    power = 1.0 - ZIPF_EXPONENT
    uniform = generator.random(n)
    ranks = ((uniform * ((n_items + 1.0) ** power - 1.0)) + 1.0) ** (1.0 / power)
    clipped: NDArray[np.int64] = np.clip(ranks.astype(np.int64) - 1, 0, n_items - 1)
    return clipped


def compressible(generator: np.random.Generator, ratio: float) -> NDArray[np.uint8]:
    """Return bytes of which a compressor leaves about ``ratio``.

    As db_bench makes them: fragments of 100 bytes that repeat their first ``100 * ratio``.
    """
    n_fragments = _POOL_BYTES // FRAGMENT_BYTES
    n_raw = max(1, round(FRAGMENT_BYTES * ratio))
    raw = generator.integers(0, 256, (n_fragments, n_raw), dtype=np.uint8)
    repeats = -(-FRAGMENT_BYTES // n_raw)
    return np.tile(raw, (1, repeats))[:, :FRAGMENT_BYTES].reshape(-1)
