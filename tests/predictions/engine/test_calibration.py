"""Calibrators and the reliability curve."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.isotonic import isotonic_regression

from predictions.engine.calibration import (
    FITS,
    MAX_SLOPE,
    _counted,
    _pooled,
    calibration_curve,
    fit_isotonic,
    fit_platt,
    wilson,
)
from predictions.engine.calibrators import Isotonic, Platt, UnreadableCalibrator, restored
from predictions.engine.metrics import expected_calibration_error


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


@given(st.lists(st.tuples(st.integers(-20, 20), st.booleans()), min_size=2, max_size=60))
def test_blocks_are_those_of_isotonic_regression(rows: list[tuple[int, bool]]) -> None:
    raw = np.array([float(score) for score, _label in rows])
    labels = np.array([label for _score, label in rows])
    start = _counted(raw, labels)
    reference = isotonic_regression(start.share, sample_weight=start.n)

    blocks = _pooled(start, lambda blocks: np.diff(blocks.share) <= 0)

    np.testing.assert_allclose(blocks.share, np.unique(reference.round(12)), atol=1e-9)
    assert blocks.n.sum() == len(rows)


def test_isotonic_curve_by_hand() -> None:
    raw = np.repeat([-3.0, -1.0, 2.0], 40)
    labels = np.zeros(120, dtype=bool)
    labels[40:50] = labels[80:110] = True

    found = fit_isotonic(raw, labels)

    first = (1 / 3) / 41
    np.testing.assert_allclose(found.raw, [-3, -1, 2])
    assert found.probability(np.array([-9.0, -1.0, 2.0, 9.0])) == pytest.approx(
        [first, 0.25, 0.75, 0.75]
    )
    middle = found.log_odds(np.array([0.5]))[0]
    assert middle == pytest.approx((np.log(1 / 3) + np.log(3)) / 2)


def test_isotonic_probabilities_hold_on_new_shots() -> None:
    rng = np.random.default_rng(8)

    def draw(n: int) -> tuple[np.ndarray, np.ndarray]:
        raw = rng.normal(0, 1.5, n)
        return raw, rng.random(n) < 0.02 + 0.4 * expit(3 * (raw - 1))

    def error(raw: np.ndarray, labels: np.ndarray, found: Isotonic | Platt) -> float:
        given = found.probability(raw)
        return expected_calibration_error(labels, given, given > 0.5, np.ones(len(raw)))

    learnt, new = draw(4_000), draw(20_000)
    isotonic, platt = (fit(*learnt) for fit in (fit_isotonic, fit_platt))

    assert error(*new, isotonic) < 0.5 * error(*new, platt)


@given(
    st.lists(st.floats(-50, 50), min_size=2, max_size=80),
    st.integers(0, 2**30),
)
def test_an_isotonic_curve_rises_gently_and_stays_inside(raw: list[float], seed: int) -> None:
    labels = np.random.default_rng(seed).random(len(raw)) < 0.5
    labels[:2] = True, False

    found = fit_isotonic(np.array(raw), labels)
    probability = found.probability(np.linspace(-60, 60, 400))

    assert ((probability > 0) & (probability < 1)).all()
    assert (np.diff(probability) >= 0).all()
    assert (found.slopes <= MAX_SLOPE).all()


def test_scores_that_fall_with_defects_make_a_level_curve() -> None:
    labels = np.arange(100) < 25

    found = fit_isotonic(np.where(labels, -1.0, 1.0), labels)

    assert found.probability(np.array([-9.0, 9.0])) == pytest.approx([0.25, 0.25])
    assert found.mean_slope(-1, 1) == 0


@pytest.mark.parametrize("name", FITS)
def test_a_calibrator_comes_back_from_its_content(name: str) -> None:
    rng = np.random.default_rng(3)
    raw = rng.normal(0, 2, 900)
    found = FITS[name](raw, rng.random(900) < expit(raw))

    again = restored(json.loads(json.dumps(found.to_dict())))

    assert again.method == name
    assert np.array_equal(again.probability(raw), found.probability(raw))


def test_content_without_a_method_is_a_straight_line() -> None:
    assert restored({"slope": 1.5, "intercept": -0.5}) == Platt(1.5, -0.5)
    for wrong in ({"method": "tea leaves"}, {"method": "isotonic"}, {"slope": None}):
        with pytest.raises(UnreadableCalibrator):
            restored(wrong)


@pytest.mark.parametrize(("start", "end"), [(-2.0, 3.0), (3.0, -2.0), (0.25, 0.25), (9.0, 12.0)])
def test_the_mean_slope_leads_from_start_to_end(start: float, end: float) -> None:
    line = Isotonic(np.array([-1.0, 0.0, 1.0]), np.array([-2.0, -1.0, 3.0]))

    low, high = line.log_odds(np.array([start, end]))

    assert line.mean_slope(start, end) * (end - start) == pytest.approx(high - low)
    assert line.mean_slope(0.25, 0.25) == pytest.approx(4)
    assert Platt(2.0, 1.0).mean_slope(start, end) == 2


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
