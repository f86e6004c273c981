"""Metrics of rankings: worked by hand, bounded, and against scikit-learn."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from search.engine.metrics import METRICS, ndcg, recall, reciprocal_rank

_GAINS = st.dictionaries(st.sampled_from("abcdefghijkl"), st.integers(0, 4), min_size=1)
_RANKED = st.lists(st.sampled_from("abcdefghijklmnop"), unique=True, max_size=16)


def test_ndcg_by_hand() -> None:
    found = 3 + 2 / math.log2(4)
    ideal = 3 + 2 / math.log2(3) + 1 / math.log2(4)
    assert ndcg(["a", "x", "b"], {"a": 3, "b": 2, "c": 1}) == pytest.approx(found / ideal)


def test_recall_and_reciprocal_rank_by_hand() -> None:
    gains = {"a": 1.0, "b": 1.0, "c": 0.0}
    assert recall(["x", "a", "c"], gains) == 0.5
    assert reciprocal_rank(["x", "a", "b"], gains) == 0.5
    assert reciprocal_rank(["c"], gains) == 0.0


def test_a_repeated_id_gains_once() -> None:
    assert ndcg(["a", "a", "b"], {"a": 1, "b": 1}) == pytest.approx(1.0)


@given(ranked=_RANKED, gains=_GAINS)
def test_every_metric_lies_between_zero_and_one(ranked: list[str], gains: dict[str, float]) -> None:
    for value in (ndcg(ranked, gains), recall(ranked, gains), reciprocal_rank(ranked, gains)):
        assert 0.0 <= value <= 1.0 + 1e-12


@given(gains=_GAINS)
def test_the_ideal_order_is_perfect(gains: dict[str, float]) -> None:
    best = sorted(gains, key=lambda one: -gains[one])
    assert ndcg(best, gains) == pytest.approx(1.0 if any(gains.values()) else 0.0)


def test_ndcg_agrees_with_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    for _ in range(50):
        gains = generator.integers(0, 4, size=15)
        if not gains.any():
            continue
        order = generator.permutation(15)
        scores = np.empty(15)
        scores[order] = np.arange(15, 0, -1)
        expected = ndcg_score([gains], [scores], k=10)
        named = {str(n): float(gain) for n, gain in enumerate(gains)}
        assert ndcg([str(n) for n in order], named) == pytest.approx(expected)


def test_every_metric_says_its_direction_and_source() -> None:
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.higher_is_better
        assert metric.source
