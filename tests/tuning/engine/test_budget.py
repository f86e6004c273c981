"""Ten minutes on a held disk, by a simulated clock: six pairs within the budget, advice first."""

import numpy as np
import pytest

from tuning.engine import procedure, searching
from tuning.engine.procedure import Done, End, Plan
from tuning.engine.rocksdb import advice
from tuning.engine.rocksdb.target import RocksDB

TEN_MINUTES = 600.0
#: What a trial takes beside load and drain: a look at the machine, start, opening (s); and what is
#: never counted: rows, artifacts, the sampler (s).
BESIDE_S, UNCOUNTED_S = 3.0, 1.0
RATE = 36_000.0


def simulated(drain_s: float, gain: float, seed: int) -> tuple[End, list[Done], float]:
    """Run a study whose first advised set gains most; return its end, trials and seconds."""
    target = RocksDB()
    metric = searching.speaking_for(target)["throughput"]
    plan = Plan(
        searching.Goal({"throughput": 1.0}, {"throughput": metric}, target.guards()),
        searching.planned(TEN_MINUTES),
        target.defaults(),
        seed,
    )
    advised = [{**plan.current, **one.changes} for one in advice.DEVICE]
    drawn = np.random.default_rng(seed)
    done: list[Done] = []
    clock = 0.0
    while isinstance(step := procedure.next_step(plan, done), procedure.Step):
        n_searched = sum(one.role == "search" for one in done)
        configuration = step.configuration
        if configuration is None:
            configuration = (
                advised[n_searched]
                if n_searched < len(advised)
                else {**plan.current, "write_buffer_size": 64 + n_searched}
            )
        is_advised = configuration in advised
        times = gain - 0.1 * advised.index(dict(configuration)) if is_advised else 1.0
        seconds = plan.budget.trial_seconds + BESIDE_S + drain_s * (0.75 if is_advised else 1.0)
        values = {
            metric.name: RATE * times * float(np.exp(0.02 * drawn.standard_normal())),
            "longest_stall_s": 5.0,
            "peak_space_bytes": 4e8,
            "put_p99_us": 50.0,
        }
        done.append(Done(step.role, configuration, "complete", values, step.pair, seconds))
        clock += seconds + UNCOUNTED_S
    return step, done, clock


@pytest.mark.parametrize("drain_s", [0.0, 7.4, 15.0, 19.0])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_ten_minutes_hold_a_search_and_six_pairs_of_trials_that_drain(
    drain_s: float, seed: int
) -> None:
    ended, done, clock = simulated(drain_s, 1.59, seed)
    searched = [one.configuration for one in done if one.role == "search"]
    assert searched[0] == {**RocksDB().defaults(), **advice.DEVICE[0].changes}
    assert ended.candidate == searched[0]
    assert ended.proof.verdict == "better"
    assert ended.proof.interval.n_pairs >= procedure.LEAST_PAIRS
    assert ended.proof.interval.ratio_low >= 1.3
    assert clock <= TEN_MINUTES


def test_all_that_is_advised_is_tried_where_little_is_left_to_drain() -> None:
    _ended, done, _clock = simulated(7.4, 1.59, 1)
    assert sum(one.role == "search" for one in done) >= len(advice.DEVICE)


@pytest.mark.parametrize("drain_s", [0.0, 7.4, 12.0])
@pytest.mark.parametrize("gain", [1.0, 1.02, 1.05])
def test_what_cannot_be_told_within_ten_minutes_takes_no_longer(
    drain_s: float, gain: float
) -> None:
    for seed in range(5):
        ended, _done, clock = simulated(drain_s, gain, seed)
        assert ended.proof.verdict in {"better", "no_effect", "undecided", "worse"}
        assert clock <= TEN_MINUTES
