"""Platt calibration and the reliability curve."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit

from predictions.engine.calibration import calibration_curve, fit_platt, wilson


def test_fit_minimises_the_smoothed_cross_entropy() -> None:
    rng = np.random.default_rng(4)
    raw = rng.normal(0, 2, 400)
    labels = rng.random(400) < expit(0.7 * raw - 1)
    target = np.where(labels, (labels.sum() + 1) / (labels.sum() + 2), 1 / ((~labels).sum() + 2))

    def loss(weights: np.ndarray) -> float:
        line = weights[0] * raw + weights[1]
        return float(np.sum(np.logaddexp(0, line) - target * line))

    slow = minimize(loss, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-9})
    fast = fit_platt(raw, labels)

    assert [fast.slope, fast.intercept] == pytest.approx(slow.x, abs=1e-5)


def test_calibrated_scores_keep_slope_one_and_intercept_zero() -> None:
    rng = np.random.default_rng(5)
    raw = rng.normal(-1, 1.5, 40_000)
    labels = rng.random(40_000) < expit(raw)

    found = fit_platt(raw, labels)

    assert found.slope == pytest.approx(1, abs=0.05)
    assert found.intercept == pytest.approx(0, abs=0.05)


def test_scores_that_fall_with_defects_give_the_defect_share() -> None:
    labels = np.arange(100) < 25

    found = fit_platt(np.where(labels, -1.0, 1.0), labels)

    assert found.slope == 0
    assert found.probability(np.array([-9.0, 9.0])) == pytest.approx([26 / 102] * 2)


@given(
    st.lists(st.floats(-50, 50), min_size=2, max_size=30),
    st.integers(0, 2**30),
)
def test_any_scores_give_probabilities(raw: list[float], seed: int) -> None:
    labels = np.random.default_rng(seed).random(len(raw)) < 0.5

    probability = fit_platt(np.array(raw), labels).probability(np.array(raw))

    assert ((probability >= 0) & (probability <= 1)).all()


def test_perfectly_separated_scores_stay_finite() -> None:
    labels = np.arange(200) >= 100

    found = fit_platt(np.where(labels, 5.0, -5.0), labels)

    assert np.isfinite([found.slope, found.intercept]).all()


def test_curve_by_hand() -> None:
    labels = np.array([False, True, True, True])

    low, high = calibration_curve(labels, np.array([0.1, 0.3, 0.8, 0.6]), 2)

    assert [low.predicted, low.observed, low.n] == pytest.approx([0.2, 0.5, 2])
    assert [high.predicted, high.observed, high.n] == pytest.approx([0.7, 1.0, 2])


def test_curve_of_fewer_rows_than_bins_has_no_empty_bin() -> None:
    curve = calibration_curve(np.array([True, False]), np.array([0.4, 0.2]), 10)

    assert [point.n for point in curve] == [1, 1]


def test_interval_of_a_share_by_hand() -> None:
    low, high = wilson(0.2, 50)

    assert (round(low, 4), round(high, 4)) == (0.1124, 0.3304)
    assert wilson(0.0, 10)[0] == pytest.approx(0.0)
    assert wilson(1.0, 10)[1] == pytest.approx(1.0)


def test_reliability_curve_carries_the_interval_of_what_was_observed() -> None:
    rng = np.random.default_rng(4)
    probability = rng.random(500)

    for point in calibration_curve(rng.random(500) < probability, probability):
        assert point.low <= point.observed <= point.high
