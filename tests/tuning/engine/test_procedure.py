"""What a study does next: whole studies on simulated targets, and what may happen on the way."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.tuning import sham
from tuning.engine import procedure, sampling, searching
from tuning.engine.contract import Guard
from tuning.engine.procedure import CannotBegin, Done, End, Plan, Step
from tuning.engine.toys import BEST_RATE, Sham, Toy

RATE = searching.speaking_for(Toy())["throughput"]
GOAL = searching.Goal({"throughput": 1.0}, {"throughput": RATE})
BUDGET = searching.planned(1000, trial_seconds=10, n_trials=2, n_pairs=4)
PLAN = Plan(GOAL, BUDGET, {"x": 0})


def done(role: str, x: int, rate: float, state: str = "complete", pair: int | None = None) -> Done:
    values = {"rate": rate} if state == "complete" else {}
    return Done(role, {"x": x}, state, values, pair, 10.0)  # type: ignore[arg-type]  # as written


BASELINES = [done("baseline", 0, 100.0), done("baseline", 0, 100.0)]


def test_a_sham_has_no_effect_and_a_toy_is_found(tmp_path: Path) -> None:
    for seed in range(2):
        assert sham.study(Sham(), 0.05, seed, tmp_path).verdict == "no_effect"
        found = sham.study(Toy(), 0.05, seed, tmp_path)
        assert found.verdict == "better"
        assert Toy().rate(found.configuration or {}) >= 0.85 * BEST_RATE


def test_options_in_use_come_first_and_twice() -> None:
    assert procedure.next_step(PLAN, []) == Step("baseline", {"x": 0})
    assert procedure.next_step(PLAN, BASELINES[:1]) == Step("baseline", {"x": 0})
    assert procedure.next_step(PLAN, BASELINES) == Step("search", None)


def test_refused_options_in_use_end_the_study() -> None:
    with pytest.raises(CannotBegin):
        procedure.next_step(PLAN, [done("baseline", 0, 0, "failed")])


def test_a_machine_that_is_always_busy_still_gets_its_baselines() -> None:
    busy = done("baseline", 0, 0, "disturbed")
    so_far = [busy, busy, BASELINES[0], busy, busy]
    assert procedure.next_step(PLAN, so_far) == Step("baseline", {"x": 0})
    assert procedure.next_step(PLAN, [*so_far, BASELINES[1]]) == Step("search", None)
    with pytest.raises(CannotBegin):
        procedure.next_step(PLAN, [busy] * 6)


def test_lost_and_disturbed_trials_are_repeated_and_failed_ones_are_not() -> None:
    lost = done("search", 1, 0, "lost")
    assert procedure.next_step(PLAN, [*BASELINES, lost]) == Step("search", {"x": 1})
    assert procedure.next_step(PLAN, [*BASELINES, lost, lost, lost]) == Step("search", None)
    failed = done("search", 1, 0, "failed")
    assert procedure.next_step(PLAN, [*BASELINES, failed]) == Step("search", None)


def test_a_trial_that_hung_does_not_end_the_search_of_what_then_leads() -> None:
    budget = searching.planned(3600, trial_seconds=60, n_trials=40, n_pairs=12)
    hung = replace(done("search", 1, 0, "lost"), seconds=320.0)
    so_far = [replace(one, seconds=75.0) for one in [*BASELINES, done("search", 1, 150.0)]]
    step = procedure.next_step(replace(PLAN, budget=budget), [*so_far[:2], hung, so_far[2]])
    assert step == Step("search", None)


def test_nothing_better_ends_without_a_proof() -> None:
    searched = [done("search", 1, 90.0), done("search", 2, 80.0)]
    ended = procedure.next_step(PLAN, [*BASELINES, *searched])
    assert isinstance(ended, End)
    assert (ended.proof.verdict, ended.proof.ground) == ("no_effect", "search")


def test_the_winner_is_the_one_that_did_better_again() -> None:
    searched = [done("search", 1, 150.0), done("search", 2, 140.0)]
    again = [
        done("finalist", x, rate) for x, rate in ((1, 110.0), (2, 130.0), (1, 110.0), (2, 130.0))
    ]
    so_far = [*BASELINES, *searched]
    for trial in again:
        step = procedure.next_step(PLAN, so_far)
        assert step == Step("finalist", trial.configuration)
        so_far.append(trial)
    assert procedure.best(PLAN, so_far) == {"x": 2}
    step = procedure.next_step(PLAN, so_far)
    assert isinstance(step, Step)
    assert step.pair == 0


def test_a_configuration_that_breaks_a_guard_is_no_finalist() -> None:
    plan = replace(PLAN, goal=replace(GOAL, guards=(Guard("rate", 120.0),)))
    searched = [done("search", 1, 150.0), done("search", 2, 110.0)]
    assert [one for _score, one in procedure.leading(plan, [*BASELINES, *searched])] == [{"x": 2}]


def test_a_proof_has_six_pairs_before_it_ends_however_clear_it_is() -> None:
    plan = replace(PLAN, budget=searching.planned(1000, trial_seconds=10, n_trials=1, n_pairs=9))
    so_far = [*BASELINES, done("search", 1, 150.0)]
    while isinstance(step := procedure.next_step(plan, so_far), Step):
        rate = 100.0 if step.configuration == {"x": 0} else 150.0 + len(so_far) % 3
        so_far.append(replace(done(step.role, 1, rate, pair=step.pair), seconds=0.0))
        so_far[-1] = replace(so_far[-1], configuration=step.configuration or {})
    assert step.proof.verdict == "better"
    assert step.proof.interval.n_pairs == procedure.LEAST_PAIRS


def test_a_search_leaves_time_for_six_pairs_of_trials_that_take_long_to_drain() -> None:
    budget = searching.planned(1000, trial_seconds=10, n_trials=100, n_pairs=9)
    plan = replace(PLAN, budget=budget)
    quick = [replace(one, seconds=10.0) for one in BASELINES]
    slow = [replace(one, seconds=45.0) for one in BASELINES]
    searched = [replace(done("search", 1, 90.0), seconds=300.0)]
    assert procedure.next_step(plan, [*quick, *searched]) == Step("search", None)
    assert isinstance(procedure.next_step(plan, [*slow, *searched]), End)


def test_a_spent_budget_ends_search_and_proof() -> None:
    long = [replace(one, seconds=600.0) for one in BASELINES]
    ended = procedure.next_step(PLAN, [*long, done("search", 1, 90.0)])
    assert isinstance(ended, End)


def test_weights_turn_and_bound_what_they_weigh() -> None:
    metrics = searching.speaking_for(Toy())
    goal = searching.Goal({"throughput": 0.5, "latency": 0.5}, metrics)
    current = {"rate": 100.0, "put_p99_us": 50.0}
    assert goal.score({"rate": 200.0, "put_p99_us": 25.0}, current) == pytest.approx(
        0.6931, abs=1e-3
    )
    assert goal.score({"rate": 200.0, "put_p99_us": 100.0}, current) == pytest.approx(0)
    assert goal.gains({"rate": 0.0, "put_p99_us": 50.0}, current)["throughput"] >= -7


def test_the_sampler_keeps_bounds_rules_and_what_is_in_use() -> None:
    toy = Toy()
    options = sampling.searchable(searching.narrowed(toy.options(), {"buffer": {"low": 2000}}))
    for name in sampling.SAMPLERS:
        made = sampling.make_study(
            name=name, n_gains=1, sampler=sampling.make_sampler(name, options, 1)
        )
        search = sampling.Search(made, options, toy, {**toy.defaults(), "cache": True})
        proposal = search.ask()
        assert proposal is not None
        assert int(proposal.configuration["buffer"]) >= 2000
        assert proposal.configuration["cache"] is True
        search.tell(proposal.number, [0.1], [-1.0])


def test_the_option_that_matters_least_comes_last() -> None:
    toy = Toy()
    options = sampling.searchable(toy.options())
    sampler = sampling.make_sampler("random", options, 3)
    made = sampling.make_study(name="one", n_gains=1, sampler=sampler)
    search = sampling.Search(made, options, toy, toy.defaults())
    rows = []
    for _trial in range(40):
        proposal = search.ask()
        assert proposal is not None
        rows.append((proposal.configuration, toy.rate(proposal.configuration)))
        search.tell(proposal.number, [rows[-1][1]])
    found = sampling.importance(options, rows)
    assert list(found)[-1] == "cache"
    assert sum(found.values()) == pytest.approx(1)
    assert sampling.importance(options, rows[:3]) == {}


def test_the_front_holds_what_no_other_beats() -> None:
    gains = [{"a": 1.0, "b": 0.0}, {"a": 0.0, "b": 1.0}, {"a": 0.0, "b": 0.5}]
    assert sampling.front(gains) == [0, 1]
