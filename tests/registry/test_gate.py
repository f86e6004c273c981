"""The gate: what passes, what fails, what proves nothing."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from django.utils import translation
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.core.errors import InvalidInput
from portal.registry.engine import canonical
from portal.registry.engine.bootstrap import block_length, blocks
from portal.registry.engine.gate import (
    GateError,
    GateReport,
    base_rate,
    judge,
    seed_of,
)
from portal.registry.engine.policy import Policy, PolicyError
from portal.registry.engine.scored import Scored
from portal.registry.services.versions import check_policy

QUICK = Policy(n_resamples=200)


def answers(
    rng: np.random.Generator, y: np.ndarray, shared: np.ndarray, skill: float, copies: int = 1
) -> Scored:
    """Return calibrated answers of a model; two models share most of their noise."""
    rate = 0.2
    score = y * skill + 0.8 * shared + 0.6 * rng.normal(size=len(y))
    p = 1 / (1 + np.exp(-(skill * (score - skill / 2) + np.log(rate / (1 - rate)))))
    groups = np.repeat(np.arange(len(y)), copies)
    return Scored(
        np.repeat(y, copies), np.repeat(p, copies), groups, float(np.quantile(p, 1 - rate))
    )


def pair(seed: int, n: int, skills: tuple[float, float], copies: int = 1) -> tuple[Scored, Scored]:
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.2).astype(int)
    shared = rng.normal(size=n)
    one, other = (answers(rng, y, shared, skill, copies) for skill in skills)
    return one, other


def outcomes(
    n_pairs: int, n: int, skills: tuple[float, float], *, copies: int = 1, blind: bool = False
) -> dict[str, float]:
    """Return the share of each outcome over many pairs of models."""
    counts: Counter[str] = Counter()
    policy = replace(QUICK, block_rows=1) if blind else QUICK
    for seed in range(n_pairs):
        one, other = pair(seed, n, skills, copies)
        if blind:
            rows = np.arange(len(one.y_true))
            one, other = (Scored(s.y_true, s.probability, rows, s.threshold) for s in (one, other))
        counts[judge(one, other, policy=policy, seed=seed).outcome] += 1
    return {name: count / n_pairs for name, count in counts.items()}


@pytest.mark.parametrize("n", [150, 500])
def test_versions_of_equal_skill_pass_at_most_one_time_in_ten(n: int) -> None:
    assert outcomes(150, n, (1.5, 1.5)).get("passed", 0) <= 0.10


def test_a_truly_better_version_mostly_passes_and_never_fails() -> None:
    seen = outcomes(60, 500, (2.1, 1.5))

    assert seen["passed"] >= 0.85
    assert seen.get("failed", 0) == 0


def test_a_truly_worse_version_never_passes_and_mostly_fails() -> None:
    seen = outcomes(60, 500, (1.5, 2.1))

    assert seen.get("passed", 0) == 0
    assert seen["failed"] >= 0.85


def test_copied_rows_do_not_make_the_gate_surer_than_it_is() -> None:
    assert outcomes(60, 150, (1.5, 1.5), copies=4).get("passed", 0) <= 0.10
    assert outcomes(60, 150, (1.5, 1.5), copies=4, blind=True)["inconclusive"] < 0.6


def test_the_same_answers_prove_nothing() -> None:
    one, _other = pair(1, 400, (1.5, 1.5))
    report = judge(one, one, policy=QUICK, seed=0)

    assert report.outcome == "inconclusive"
    assert [reason.code for reason in report.reasons] == ["identical", "primary_undecided"]


@pytest.mark.parametrize(
    ("n", "n_positive", "code"),
    [(60, 30, "too_few_groups"), (400, 5, "too_few_positives"), (400, 395, "too_few_negatives")],
)
def test_too_little_evidence_is_said_and_not_weighed(n: int, n_positive: int, code: str) -> None:
    y = (np.arange(n) < n_positive).astype(int)
    perfect = Scored(y, y * 0.98 + 0.01, np.arange(n), 0.5)
    report = judge(perfect, base_rate(perfect), policy=QUICK, seed=0)

    assert report.outcome == "inconclusive"
    assert [reason.code for reason in report.reasons] == [code]
    assert report.comparisons == ()


def test_copies_of_a_few_rows_are_a_few_rows() -> None:
    one, other = pair(3, 60, (3.0, 0.5), copies=10)

    assert judge(one, other, policy=QUICK, seed=0).reasons[0].code == "too_few_groups"


def test_a_guard_that_is_worse_fails_a_version_that_ranks_better() -> None:
    better, other = pair(4, 600, (2.6, 1.5))
    overconfident = Scored(
        better.y_true,
        np.clip(better.probability**0.2, 0, 1),
        better.group_ids,
        better.threshold**0.2,
    )
    report = judge(overconfident, other, policy=QUICK, seed=0)

    assert report.comparisons[0].verdict == "better"
    assert report.outcome == "failed"
    assert report.reasons[0].code == "guard_worse"
    assert "Brier" in report.reasons[0].to_dict()["message"]


# --- Neighbours, small gains, parts, and rows that were learnt -----------------------------------
def test_blocks_hold_whole_groups_and_as_many_as_asked() -> None:
    ids = np.array([7, 7, 3, 9, 3, 5, 1])

    assert blocks(ids, 2).tolist() == [0, 0, 0, 1, 0, 1, 2]
    assert blocks(ids, 1).tolist() == [0, 0, 1, 2, 1, 3, 4]
    assert [block_length(n) for n in (1, 100, 1_000, 10_000)] == [1, 3, 33, 333]


def weather(seed: int, n_spells: int, spell: int) -> tuple[Scored, Scored]:
    """Return two versions of equal skill on the whole, each luckier in some spells of shots."""
    rng = np.random.default_rng(seed)
    n = n_spells * spell
    y = (rng.random(n) < 0.25).astype(int)
    noise = rng.normal(size=n)
    luck = np.repeat(rng.normal(1.0, 1.5, (2, n_spells)), spell, axis=1)
    scores = (luck[0] * (y - 0.5) + noise, luck[1] * (y - 0.5) + noise)
    rows = np.arange(n)
    one, other = (Scored(y, 1 / (1 + np.exp(-score)), rows, 0.5) for score in scores)
    return one, other


def test_luck_that_lasts_does_not_pass_for_skill() -> None:
    passed = dict.fromkeys((1, 20), 0)
    for seed in range(80):
        one, other = weather(seed, n_spells=30, spell=20)
        for length in passed:
            policy = replace(QUICK, block_rows=length, guards=())
            passed[length] += judge(one, other, policy=policy, seed=seed).outcome == "passed"

    assert passed[20] / 80 <= 0.12
    assert passed[1] > 2 * passed[20]


def test_a_sure_but_tiny_gain_is_not_worth_a_promotion() -> None:
    one, other = pair(9, 4_000, (1.75, 1.5))
    policy = replace(QUICK, guards=(), min_gain=0.3)
    report = judge(one, other, policy=policy, seed=0)

    assert (report.outcome, report.comparisons[0].verdict) == ("inconclusive", "better")
    assert report.reasons[0].code == "primary_small"
    assert "0.300" in report.reasons[0].to_dict()["message"]
    assert judge(one, other, policy=replace(policy, min_gain=0.0), seed=0).outcome == "passed"


def test_a_gain_that_may_as_well_be_tiny_is_not_sure_enough() -> None:
    one, other = pair(9, 4_000, (1.75, 1.5))
    policy = replace(QUICK, guards=())
    line = judge(one, other, policy=policy, seed=0).comparisons[0]
    between = (line.sure_gain + line.gain) / 2
    report = judge(one, other, policy=replace(policy, min_gain=between), seed=0)
    easier = replace(policy, min_gain=between, gain_certainty=0.5)

    assert 0 < line.low < line.sure_gain < line.gain
    assert (report.outcome, report.reasons[0].code) == ("inconclusive", "gain_unsure")
    assert f"{line.sure_gain:.3f}" in report.reasons[0].to_dict()["message"]
    assert judge(one, other, policy=easier, seed=0).outcome == "passed"


def test_a_part_that_is_two_lots_long_is_not_looked_at() -> None:
    one, other = pair(15, 3_000, (2.0, 1.5))
    block = np.arange(3_000) // 100
    in_lots = np.where(np.isin(block, (3, 17)), "A", "B")
    spread = np.where(np.arange(3_000) % 15 == 0, "A", "B")
    seen = {
        name: [
            line.value
            for line in judge(
                replace(one, slices={"Mold": mold}), other, policy=QUICK, seed=0
            ).slices
        ]
        for name, mold in (("in lots", in_lots), ("spread", spread))
    }

    assert seen == {"in lots": ["B"], "spread": ["A", "B"]}


def test_luck_of_some_lots_is_not_taken_for_a_worse_part() -> None:
    said = 0
    for seed in range(60):
        one, other = weather(seed, n_spells=30, spell=60)
        mold = np.array([f"M{spell % 3}" for spell in np.arange(1_800) // 60])
        report = judge(replace(one, slices={"Mold": mold}), other, policy=QUICK, seed=seed)
        said += any(line.verdict == "worse" for line in report.slices)

    assert said / 60 <= 0.15


def test_a_version_that_is_worse_in_one_part_does_not_pass() -> None:
    one, other = pair(10, 1_500, (3.0, 1.5))
    is_b = np.arange(1_500) % 5 == 0
    rng = np.random.default_rng(10)
    spoilt = np.where(is_b, rng.random(1_500) * 0.2, one.probability)
    mold = {"Mold": np.where(is_b, "B", "A")}
    policy = replace(QUICK, guards=())
    whole = judge(replace(one, probability=spoilt), other, policy=policy, seed=0)
    report = judge(replace(one, probability=spoilt, slices=mold), other, policy=policy, seed=0)

    assert whole.outcome == "passed"
    assert report.outcome == "failed"
    assert report.reasons[0].params["value"] == "B"
    assert [(line.value, line.verdict) for line in report.slices] == [
        ("A", "better"),
        ("B", "worse"),
    ]


def test_parts_too_small_to_say_anything_are_not_looked_at() -> None:
    one, other = pair(11, 400, (2.0, 1.5))
    few = np.where(np.arange(400) < 60, "few", "many")
    unnamed = np.where(np.arange(400) < 200, "", "named")
    report = judge(
        replace(one, slices={"Mold": few, "Shift": unnamed}), other, policy=QUICK, seed=0
    )

    assert [(line.column, line.value) for line in report.slices] == [
        ("Mold", "many"),
        ("Shift", "named"),
    ]


def test_rows_that_a_version_has_learnt_prove_nothing() -> None:
    one, other = pair(12, 600, (1.5, 1.5))
    learnt = np.arange(600) < 300
    knowing = replace(
        one, probability=np.where(learnt, 0.9 * one.y_true + 0.05, one.probability), learnt=learnt
    )
    report = judge(knowing, other, policy=QUICK, seed=0)
    mirrored = judge(other, knowing, policy=QUICK, seed=0)
    fooled = judge(replace(knowing, learnt=None), other, policy=QUICK, seed=0)

    assert fooled.outcome == "passed"
    assert (
        (report.n_rows, report.n_left_out) == (300, 300) == (mirrored.n_rows, mirrored.n_left_out)
    )
    assert report.outcome != "passed"
    assert report.reasons[-1].code == "left_out"


def test_nothing_unlearnt_is_too_little() -> None:
    one, other = pair(13, 300, (1.5, 1.5))
    report = judge(replace(one, learnt=np.ones(300, bool)), other, policy=QUICK, seed=0)

    assert report.outcome == "inconclusive"
    assert report.reasons[0].code == "too_few_groups"


def test_the_first_version_is_held_against_the_base_rate() -> None:
    skilled, _other = pair(5, 500, (2.0, 1.0))
    report = judge(skilled, None, policy=QUICK, seed=0)
    chance = {line.name: line.champion for line in report.comparisons}

    assert (report.against, report.outcome) == ("base_rate", "passed")
    assert chance["roc_auc"] == pytest.approx(0.5)
    assert chance["average_precision"] == pytest.approx(np.mean(skilled.y_true))


def test_a_first_version_without_skill_does_not_pass() -> None:
    rng = np.random.default_rng(6)
    y = (rng.random(500) < 0.2).astype(int)
    guessing = Scored(y, rng.random(500), np.arange(500), 0.5)

    assert judge(guessing, None, policy=QUICK, seed=0).outcome == "failed"


@pytest.mark.parametrize("field", ["y_true", "group_ids"])
def test_scores_on_different_rows_are_not_compared(field: str) -> None:
    one, other = pair(7, 200, (1.5, 1.5))
    changed: dict[str, Any] = {"y_true": 1 - other.y_true, "group_ids": other.group_ids + 1}
    odd = replace(other, **{field: changed[field]})
    with pytest.raises(GateError, match=field):
        judge(one, odd, policy=QUICK, seed=0)


def test_labels_are_zero_or_one() -> None:
    with pytest.raises(GateError, match="0 or 1"):
        judge(
            Scored(np.array([0, 2]), np.array([0.1, 0.2]), np.arange(2), 0.5),
            None,
            policy=QUICK,
            seed=0,
        )


def test_the_report_is_json_with_a_stable_digest() -> None:
    one, other = pair(8, 300, (2.0, 1.5))
    reports = [judge(one, other, policy=QUICK, seed=seed_of("a", "b")) for _ in range(2)]

    assert len({canonical.digest(report.to_dict()) for report in reports}) == 1


def flip(verdict: str) -> str:
    return {"better": "worse", "worse": "better"}.get(verdict, verdict)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(100, 250),
    skills=st.tuples(st.floats(0.2, 3), st.floats(0.2, 3)),
)
def test_swapping_the_versions_mirrors_every_interval(
    seed: int, n: int, skills: tuple[float, float]
) -> None:
    one, other = pair(seed, n, skills)
    policy = Policy(n_resamples=200, min_positives=2)
    there, back = (judge(a, b, policy=policy, seed=seed) for a, b in ((one, other), (other, one)))

    for line, mirror in zip(there.comparisons, back.comparisons, strict=True):
        assert line.low == pytest.approx(-mirror.high)
        assert line.gain == pytest.approx(-mirror.gain)
        assert line.verdict == flip(mirror.verdict)
    assert not (there.outcome == back.outcome == "passed")


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(2, 300),
    n_levels=st.integers(1, 5),
    threshold=st.floats(0, 1),
)
def test_whatever_is_scored_gets_one_outcome_with_reasons(
    seed: int, n: int, n_levels: int, threshold: float
) -> None:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    coarse = rng.integers(0, n_levels, n) / max(n_levels - 1, 1)
    groups = rng.integers(0, n, n)
    one = Scored(y, coarse, groups, threshold)
    report: GateReport = judge(one, None, policy=QUICK, seed=seed)

    assert report.outcome in {"passed", "failed", "inconclusive"}
    assert report.reasons
    canonical.digest(report.to_dict())


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"primary": "size_mb"}, "size_mb"),
        ({"guards": ["average_precision"]}, "once"),
        ({"level": 0.2}, "0.5"),
        ({"level": "high"}, "a number"),
        ({"n_resamples": 10}, "200"),
        ({"n_resamples": True}, "whole number"),
        ({"min_positives": 0}, "at least 2"),
        ({"min_slice_groups": 1}, "at least 2"),
        ({"min_gain": -0.1}, "from 0 to 1"),
        ({"gain_certainty": 0.4}, "0.5 to 0.999"),
        ({"block_rows": -1}, "block_rows"),
        ({"allow_failed": True}, "allow_failed"),
    ],
)
def test_a_policy_says_what_is_wrong_with_it(values: dict[str, Any], said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        Policy.from_dict(values)


def test_a_policy_says_what_is_wrong_with_it_in_the_readers_language() -> None:
    with translation.override("ko"), pytest.raises(InvalidInput, match="설정은 없습니다"):
        check_policy({"allow_failed": True})


def test_guards_share_the_error_among_them() -> None:
    assert Policy(level=0.9).guard_level == pytest.approx(1 - 0.1 / 3)
    assert Policy(level=0.9, guards=()).guard_level == pytest.approx(0.9)


def test_a_policy_survives_its_json() -> None:
    policy = Policy.from_dict({"primary": "roc_auc", "guards": ["brier"], "level": 1 - 0.05})
    assert Policy.from_dict(policy.to_dict()) == policy
