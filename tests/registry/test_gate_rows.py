"""The gate on answers that are held against the truth row by row."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from portal.registry.engine import canonical
from portal.registry.engine.gate import GateError, judge
from portal.registry.engine.metrics import SampleError
from portal.registry.engine.policy import Policy, PolicyError
from portal.registry.engine.rowwise import ROW_METRICS, RowSample
from portal.registry.engine.scored import RowScores, Scored

NAMES = ("exact_operations", "operation_f1", "total_time_wmape")
QUICK = Policy(primary=NAMES[0], guards=NAMES[1:], n_resamples=200, block_rows=1, min_gain=0.0)


def answers(
    rng: np.random.Generator, difficulty: np.ndarray, skill: float, copies: int = 1
) -> RowScores:
    """Return what a method of some skill achieves; two methods share how hard each row is."""
    exact = (skill + 0.5 * rng.normal(size=len(difficulty)) > difficulty).astype(float)
    total = 20 + 10 * rng.random(len(difficulty))
    error = total * np.abs(0.1 * rng.normal(size=len(total)) + 0.1 * (1 - exact))
    ones = np.ones(len(exact))
    parts = {
        NAMES[0]: (exact, ones),
        NAMES[1]: (0.9 + 0.1 * exact, ones),
        NAMES[2]: (error, total),
    }
    parts = {
        name: (np.repeat(above, copies), np.repeat(below, copies))
        for name, (above, below) in parts.items()
    }
    return RowScores(parts, np.repeat(np.arange(len(exact)), copies))


def pair(
    seed: int, n: int, skills: tuple[float, float], copies: int = 1
) -> tuple[RowScores, RowScores]:
    rng = np.random.default_rng(seed)
    difficulty = rng.normal(size=n)
    one, other = (answers(rng, difficulty, skill, copies) for skill in skills)
    return one, other


def outcomes(
    n_pairs: int, n: int, skills: tuple[float, float], copies: int = 1
) -> dict[str, float]:
    counts = Counter(
        judge(*pair(seed, n, skills, copies), policy=QUICK, seed=seed).outcome
        for seed in range(n_pairs)
    )
    return {name: count / n_pairs for name, count in counts.items()}


def test_versions_of_equal_skill_pass_at_most_one_time_in_ten() -> None:
    assert outcomes(100, 300, (1.0, 1.0)).get("passed", 0) <= 0.10


def test_a_truly_better_version_mostly_passes_and_a_worse_one_never() -> None:
    better, worse = outcomes(40, 600, (1.5, 1.0)), outcomes(40, 600, (1.0, 1.5))

    assert better["passed"] >= 0.85
    assert worse.get("passed", 0) == 0
    assert worse["failed"] >= 0.85


def test_variants_of_one_row_do_not_make_the_gate_surer_than_it_is() -> None:
    assert outcomes(60, 150, (1.0, 1.0), copies=4).get("passed", 0) <= 0.10


def test_a_metric_is_the_ratio_of_two_sums_over_the_rows_drawn() -> None:
    parts = {NAMES[2]: (np.array([1.0, 3.0, 5.0]), np.array([10.0, 10.0, 0.0]))}
    drawn = RowSample(parts).drawn(np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 2.0]]))

    found = ROW_METRICS[NAMES[2]].function(drawn)

    assert found[0] == pytest.approx(9 / 20)
    assert np.isnan(found[1])


def test_the_first_version_is_held_against_looking_up() -> None:
    one, other = pair(3, 400, (1.5, 0.0))
    report = judge(
        RowScores(one.parts, one.group_ids, lookup=other.parts), None, policy=QUICK, seed=1
    )

    assert (report.against, report.outcome) == ("lookup", "passed")
    assert report.n_positives is None
    assert report.comparisons[0].champion == other.parts[NAMES[0]][0].mean()


def test_without_anything_to_be_held_against_there_is_no_verdict() -> None:
    one, _other = pair(3, 400, (1.5, 0.0))

    with pytest.raises(GateError, match="nothing is live"):
        judge(one, None, policy=QUICK, seed=1)


def test_the_same_achievements_prove_nothing() -> None:
    one, _other = pair(1, 400, (1.0, 1.0))
    report = judge(one, one, policy=QUICK, seed=0)

    assert report.outcome == "inconclusive"
    assert report.reasons[0].code == "identical_rows"


def test_too_few_rows_are_said_and_not_weighed() -> None:
    report = judge(*pair(1, 60, (3.0, 0.0)), policy=QUICK, seed=0)

    assert (report.outcome, report.reasons[0].code) == ("inconclusive", "too_few_groups")


def test_rows_that_a_version_learnt_from_are_left_out() -> None:
    one, other = pair(1, 400, (1.5, 1.0))
    learnt = np.arange(400) < 100
    report = judge(
        one, RowScores(other.parts, other.group_ids, learnt=learnt), policy=QUICK, seed=0
    )

    assert (report.n_rows, report.n_left_out) == (300, 100)


def test_a_part_that_is_worse_fails_a_version_that_is_better_overall() -> None:
    one, other = pair(2, 900, (1.6, 0.0))
    types = np.where(np.arange(900) < 300, "GEAR", "PIN")
    exact = np.where(types == "GEAR", 0.0, one.parts[NAMES[0]][0])
    spoilt = {**one.parts, NAMES[0]: (np.where(types == "PIN", 1.0, exact), np.ones(900))}
    report = judge(
        RowScores(spoilt, one.group_ids, slices={"item_type": types}), other, policy=QUICK, seed=0
    )

    assert report.comparisons[0].verdict == "better"
    assert report.outcome == "failed"
    assert report.reasons[0].params["value"] == "GEAR"
    assert report.slices[0].n_positives is None


def test_rows_of_another_kind_are_not_judged_by_the_policy() -> None:
    one, other = pair(1, 400, (1.0, 1.0))
    labelled = Scored(np.array([0, 1]), np.array([0.1, 0.9]), np.arange(2), 0.5)

    with pytest.raises(GateError, match="average_precision"):
        judge(one, other, policy=Policy(), seed=0)
    with pytest.raises(GateError, match="exact_operations"):
        judge(labelled, labelled, policy=QUICK, seed=0)


def test_scores_on_different_rows_are_not_compared() -> None:
    one, other = pair(1, 400, (1.0, 1.0))

    with pytest.raises(GateError, match="group_ids"):
        judge(one, RowScores(other.parts, other.group_ids + 1), policy=QUICK, seed=0)


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {NAMES[0]: (np.ones(2), np.ones(3))},
        {NAMES[0]: (np.array([np.nan]), np.ones(1))},
        {NAMES[0]: (np.ones(1), -np.ones(1))},
    ],
)
def test_parts_that_are_no_columns_are_refused(parts: dict[str, Any]) -> None:
    with pytest.raises(SampleError):
        RowSample(parts)


def test_a_policy_keeps_the_two_kinds_apart() -> None:
    with pytest.raises(PolicyError, match="cannot stand beside"):
        Policy.from_dict({"primary": NAMES[0], "guards": ["brier"]})

    assert Policy.from_dict(QUICK.to_dict()) == QUICK


def test_the_report_is_json_with_a_stable_digest() -> None:
    report = judge(*pair(8, 300, (1.5, 1.0)), policy=QUICK, seed=4).to_dict()

    assert canonical.digest(report) == canonical.digest(canonical.settled(report))


def test_equal_is_good_enough_where_the_policy_allows_a_loss() -> None:
    one, other = pair(3, 300, (1.0, 1.0))
    routine = replace(QUICK, max_loss=0.1)

    assert judge(one, one, policy=routine, seed=1).outcome == "passed"
    assert judge(one, other, policy=routine, seed=1).outcome == "passed"
    assert judge(one, one, policy=QUICK, seed=1).outcome == "inconclusive"


def test_a_loss_beyond_the_allowed_one_fails() -> None:
    worse, better = pair(3, 300, (0.2, 1.5))

    report = judge(worse, better, policy=replace(QUICK, max_loss=0.1), seed=1)

    assert report.outcome == "failed"
    assert "primary_worse" in [reason.code for reason in report.reasons]
