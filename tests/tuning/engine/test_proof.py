"""The proof: worked values, what it may never do, and how often it errs."""

import math

import numpy as np
import pytest

from tuning.engine import proof


def test_the_interval_is_the_one_of_the_formula() -> None:
    found = proof.interval([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    count, c2, spread = 6, 0.25, np.var([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    power = (math.sqrt((count + c2) / c2) / 0.05) ** (2 / count)
    half = math.sqrt((power - 1) * (count + c2) * spread / (count + c2 - power * c2))
    assert found.mean == pytest.approx(0.35)
    assert found.high - found.mean == pytest.approx(half)
    assert found.low == pytest.approx(0.35 - half)


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_few_pairs_decide_nothing_however_alike(count: int) -> None:
    found = proof.judge([0.5] * count)
    assert found.verdict == ""
    assert found.to_dict()["interval"]["low"] is None


def test_pairs_without_any_noise_decide_at_the_fourth() -> None:
    assert proof.judge([0.5] * 4).verdict == "better"
    assert proof.judge([-0.5] * 4).verdict == "worse"
    assert proof.judge([0.0] * 4).verdict == "no_effect"
    assert proof.judge([0.0] * 4).ground == "equivalent"


def test_a_broken_guard_makes_a_gain_worthless() -> None:
    found = proof.judge([0.5, 0.51, 0.49, 0.5], keeps_guards=False)
    assert (found.verdict, found.ground) == ("worse", "guards")


def test_a_spent_budget_is_no_effect() -> None:
    found = proof.judge([0.5, -0.5, 0.4, -0.4], is_last=True)
    assert (found.verdict, found.ground) == ("no_effect", "budget")
    assert proof.judge([0.5, -0.5, 0.4, -0.4]).verdict == ""


def test_looking_after_every_pair_errs_in_fewer_than_one_of_twenty() -> None:
    generator = np.random.default_rng(7)
    n_wrong = 0
    for _study in range(400):
        pairs = generator.normal(0.0, 0.07, 40).tolist()
        looks = (proof.interval(pairs[:count]) for count in range(4, 41))
        n_wrong += any(one.low > 0 or one.high < 0 for one in looks)
    assert n_wrong / 400 <= 0.05


def test_a_gain_of_a_half_is_seen_within_eight_pairs() -> None:
    generator = np.random.default_rng(8)
    n_seen = 0
    for _study in range(100):
        pairs = generator.normal(math.log(1.5), 0.1, 8).tolist()
        n_seen += any(proof.judge(pairs[:count]).verdict == "better" for count in (4, 6, 8))
    assert n_seen >= 98


def test_every_two_pairs_cancel_a_drift() -> None:
    for seed in range(20):
        for start in (0, 2, 4):
            first, second = proof.order(start, seed), proof.order(start + 1, seed)
            assert first == second[::-1]
            assert set(first) == {True, False}
