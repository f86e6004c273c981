"""The formulas: hand-worked values and what must hold for all of them."""

import dataclasses
import math

import pytest

from tests.tuning.engine.putrate.rows import BASE, MIB
from tuning.engine.problems import ModelError
from tuning.engine.putrate.amplification import by_level, write_amplification
from tuning.engine.putrate.dynamic import State, delay, simulated
from tuning.engine.putrate.envelopes import RATES
from tuning.engine.putrate.formulas import put_seconds
from tuning.engine.putrate.inputs import PutInputs, inputs
from tuning.engine.putrate.tree import Tree
from tuning.engine.rocksdb.target import RocksDB


def test_before_the_first_compaction_only_the_flush_writes() -> None:
    assert write_amplification(BASE, 3.9 * BASE.file_bytes) == 1.0


def test_the_first_level_is_rewritten_by_each_batch() -> None:
    # Three batches into an unbounded first level: 1 + 2 + 3 batches written for three flushed.
    roomy = dataclasses.replace(BASE, level_base_bytes=1e12)
    levels = by_level(roomy, 3 * 4 * BASE.file_bytes)
    assert [level.written for level in levels] == [1.0, pytest.approx(2.0)]


def test_one_record_at_the_device_bound_by_hand() -> None:
    # No compression, no log, no compaction: the device takes key, 8 bytes and value of each record.
    given = dataclasses.replace(BASE, has_log=False, buffer_bytes=1024.0 * MIB)
    for name in ("v1", "v2"):
        assert RATES[name](given) == pytest.approx(8 * MIB / (16 + 8 + 400 + 3))


def test_the_log_counts_only_where_it_reaches_the_device() -> None:
    assert BASE.log_bytes == 16 + 400 + 16
    assert dataclasses.replace(BASE, is_log_synced=False).log_bytes == 0
    assert dataclasses.replace(BASE, has_log=False).log_bytes == 0


@pytest.mark.parametrize("name", RATES)
def test_a_faster_device_and_a_smaller_record_never_lower_the_rate(name: str) -> None:
    rate = RATES[name]
    for style in (False, True):
        given = dataclasses.replace(BASE, is_universal=style)
        faster = dataclasses.replace(given, write_bps=2 * BASE.write_bps, read_bps=16.0 * MIB)
        smaller = dataclasses.replace(given, value_bytes=200.0)
        assert rate(faster) >= 0.99 * rate(given)
        assert rate(smaller) >= 0.99 * rate(given)


def test_the_simulation_keeps_bytes() -> None:
    course = simulated(BASE)
    n_puts = course.rate * (BASE.seconds + course.drain_s)
    floor = n_puts * (BASE.table_bytes + BASE.log_bytes) / BASE.write_bps
    assert floor <= 1.02 * (BASE.seconds + course.drain_s)
    assert 0 <= course.stalled_share <= 1


def test_an_unhurried_writer_leaves_nothing_to_drain_but_its_buffer() -> None:
    slow = dataclasses.replace(BASE, spin_ns=2e7, has_log=False)
    course = simulated(slow)
    assert course.stalled_share == pytest.approx(0.0, abs=1e-6)
    assert course.rate <= 1.0 / put_seconds(slow)
    assert course.drain_s < 2.0


def test_universal_merges_equal_runs_and_leaves_few() -> None:
    tree = Tree(dataclasses.replace(BASE, is_universal=True))
    written = 0.0
    for _ in range(40):
        tree.flushed(1.0)
        while step := tree.next_compaction():
            written += step
    assert len(tree.runs) < BASE.l0_trigger
    assert sum(tree.runs) == pytest.approx(40.0)
    # At worst every batch of three is merged with all before it.
    assert 40.0 < written < sum(range(3, 41, 2))


def test_levels_hold_their_targets_once_nothing_is_pending() -> None:
    tree = Tree(dataclasses.replace(BASE, level_base_bytes=8.0, multiplier=4.0))
    for _ in range(100):
        tree.flushed(1.0)
        while tree.next_compaction():
            pass
    assert tree.levels[0] <= 8.0 * 1.05
    assert sum(tree.levels) + sum(tree.runs) == pytest.approx(100.0)


def test_inputs_are_read_from_options_and_load() -> None:
    target = RocksDB()
    parameters = {one.name: one.default for one in target.workload_options()}
    given = inputs(
        target.check({"compression": "zstd", "rate_limiter": 6.0}),
        {**parameters, "hold_mib_s": 16.0},
        seconds=10,
        write_bps=1e9,
        read_bps=1e7,
        spin_ns=1e4,
        foreign_load=0.0,
    )
    assert (given.write_bps, given.read_bps) == (16 * MIB, 1e7)
    assert given.limiter_bps == 6 * MIB
    assert given.codec == "zstd"
    assert PutInputs.from_json(given.as_json()) == given
    assert PutInputs.from_json(BASE.as_json()).limiter_bps == math.inf


@pytest.mark.parametrize("name", ["value_bytes", "write_bps", "spin_ns"])
def test_impossible_inputs_are_refused_by_name(name: str) -> None:
    with pytest.raises(ModelError, match=name):
        PutInputs.from_json({**BASE.as_json(), name: 0.0})
    with pytest.raises(ModelError, match=name):
        PutInputs.from_json({**BASE.as_json(), name: math.nan})


def test_small_values_keep_more_of_themselves_when_they_are_compressed() -> None:
    small = dataclasses.replace(BASE, value_bytes=100.0, compressed_to=0.3, codec="zstd")
    large = dataclasses.replace(small, value_bytes=4096.0)
    assert small.table_bytes == pytest.approx(BASE.key_bytes + 8 + 33 + 15)
    assert small.compression_ratio > large.compression_ratio


def test_a_writer_that_is_slowed_down_follows_the_debt_and_the_limiter() -> None:
    level = dataclasses.replace(
        BASE, is_universal=False, l0_slowdown=4, l0_stop=40, limiter_bps=6e6
    )
    rates = []
    for given in (level, dataclasses.replace(level, is_universal=True)):
        state = State(Tree(given), delayed_bps=6e6, is_delayed=True, debt=1.0)
        state.tree.runs = [1e6] * 5
        delay(state, given)
        rates.append(state.delayed_bps)
        state.tree.runs = []
        delay(state, given)
        assert not state.is_delayed
        assert rates[-1] <= state.delayed_bps <= 6e6
    assert rates == [pytest.approx(0.8 * 6e6), 6e6]


def test_a_file_passes_the_limiter_and_the_device_one_after_the_other() -> None:
    held = dataclasses.replace(BASE, has_log=False, codec="none", write_bps=8e6, read_bps=8e6)
    twice = simulated(dataclasses.replace(held, limiter_bps=16e6)).rate
    assert simulated(dataclasses.replace(held, limiter_bps=8e6)).rate < 0.95 * twice
    assert simulated(dataclasses.replace(held, limiter_bps=4e6)).rate < 0.5 * twice
