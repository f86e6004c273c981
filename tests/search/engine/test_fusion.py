"""Fusion: worked by hand, bounded, monotonous."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.engine.fusion import minmax, rrf

_SCORES = st.lists(
    st.one_of(st.just(float("nan")), st.floats(-5, 50)), min_size=1, max_size=20
).map(np.array)


def test_minmax_by_hand() -> None:
    fused = minmax(np.array([10.0, 5.0, np.nan]), np.array([0.2, 0.6, 0.4]), 0.25)
    assert fused == pytest.approx([0.75, 0.25, 0.125])


def test_rrf_by_hand() -> None:
    fused = rrf(np.array([1, 2, 0]), np.array([2, 0, 1]), 0.5)
    assert fused == pytest.approx([0.5 + 0.5 * 61 / 62, 0.5 * 61 / 62, 0.5])


def test_equal_scores_are_all_best() -> None:
    assert minmax(np.array([3.0, 3.0]), np.array([np.nan, np.nan]), 0.2) == pytest.approx(
        [0.8, 0.8]
    )


@given(_SCORES, st.floats(0, 1))
def test_fused_scores_lie_between_zero_and_one(scores: np.ndarray, weight: float) -> None:
    fused = minmax(scores, scores[::-1].copy(), weight)
    assert np.isfinite(fused).all()
    assert ((fused >= 0) & (fused <= 1 + 1e-9)).all()


@given(st.lists(st.floats(-5, 50), min_size=2, max_size=20, unique=True))
def test_one_leg_alone_keeps_its_order(scores: list[float]) -> None:
    given_scores = np.array(scores)
    absent = np.full(len(scores), np.nan)
    fused = minmax(given_scores, absent, 0.2)
    # Scores a rounding apart may become equal, but none may swap.
    order = np.argsort(-given_scores, kind="stable")
    assert (np.diff(fused[order]) <= 0).all()
