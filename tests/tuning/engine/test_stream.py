"""Operations as they are drawn."""

import zlib

import numpy as np
import pytest

from tuning.engine.contract import preset, workload_parameters
from tuning.engine.options import Value
from tuning.engine.rocksdb.stream import MODIFY, PUT, READ, Stream, compressible, zipfian
from tuning.engine.rocksdb.target import RocksDB


def drawn(name: str = "put-heavy", **changes: Value) -> Stream:
    target = RocksDB()
    return Stream(workload_parameters(target, preset(target, name, **changes)), seed=5)


def test_equal_seeds_draw_equal_operations() -> None:
    assert drawn("ycsb-a").block() == drawn("ycsb-a").block()


def test_shares_are_kept_and_normalised() -> None:
    kinds = np.array(drawn("mixed", put_share=0.2, read_share=0.6).block().kinds)
    assert (kinds == READ).mean() == pytest.approx(0.75, abs=0.05)
    assert set(np.array(drawn("ycsb-f").block().kinds)) == {READ, MODIFY}


def test_keys_and_values_have_their_sizes() -> None:
    block = drawn(key_size=24, value_size=1000, value_sizes="uniform").block()
    sizes = np.array([len(value) for value in block.values])
    assert {len(key) for key in block.keys} == {24}
    assert sizes.min() >= 500
    assert sizes.max() <= 1500
    assert sizes.mean() == pytest.approx(1000, rel=0.05)
    skewed = drawn(value_size=1000, value_sizes="skewed").block()
    lengths = np.array([len(value) for value in skewed.values])
    assert np.median(lengths) < lengths.mean() == pytest.approx(1000, rel=0.15)


def test_preloaded_keys_are_those_that_are_read() -> None:
    stream = drawn("mixed", key_space=1_000, preload=1_000)
    known = set(stream.preload(0, 1_000).keys)
    assert len(known) == 1_000
    assert set(stream.block().keys) <= known


def test_inserts_bring_new_keys_and_the_latest_are_read_most() -> None:
    stream = drawn("ycsb-d", key_space=1_000, preload=1_000)
    known = set(stream.preload(0, 1_000).keys)
    block = stream.block()
    puts = [key for kind, key in zip(block.kinds, block.keys, strict=True) if kind == PUT]
    assert puts
    assert not set(puts) & known
    assert stream.n_known == 1_000 + len(puts)


def test_zipfian_ranks_fall_as_the_law_says() -> None:
    ranks = zipfian(np.random.default_rng(1), 10_000, 200_000)
    assert ranks.min() == 0
    assert ranks.max() < 10_000
    shares = np.bincount(ranks, minlength=100) / len(ranks)
    # Mass between ranks, against the exact law with exponent 0.99.
    exact = 1.0 / np.arange(1, 10_001) ** 0.99
    exact /= exact.sum()
    assert shares[10:100].sum() == pytest.approx(exact[10:100].sum(), rel=0.1)


def test_values_compress_about_as_asked() -> None:
    for ratio in (0.2, 0.5, 1.0):
        data = compressible(np.random.default_rng(2), ratio)[: 64 * 4096].tobytes()
        pages = [data[at : at + 4096] for at in range(0, len(data), 4096)]
        left = sum(len(zlib.compress(page)) for page in pages) / len(data)
        assert left == pytest.approx(ratio, abs=0.12)
