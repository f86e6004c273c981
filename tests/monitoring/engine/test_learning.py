"""What quiet streams teach: laws of maxima, blocks of the past, budgets, words, estimates."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.engine import calibration, estimate, extremes, panel
from monitoring.engine.budget import MOST_PER_VALUE, Budget
from monitoring.engine.calibration import Calibration
from monitoring.engine.detectors.chi_square import chi_square
from monitoring.engine.detectors.contract import moving
from monitoring.engine.detectors.kl import KullbackLeibler, kl
from monitoring.engine.detectors.psi import psi
from monitoring.engine.limits import MOST_RATIO, Limits, ratio_of
from monitoring.engine.looks import Look
from monitoring.engine.realized import RealizedLoss
from monitoring.engine.reference import Column, NotEnough, column_of, pooled
from monitoring.engine.scale import Scale, scale_of
from monitoring.engine.schedule import Schedule

SCHEDULE = Schedule(200, 50)


def test_the_law_of_maxima_is_found_again() -> None:
    rng = np.random.default_rng(1)
    maxima = rng.gumbel(3.0, 0.5, 20_000)

    law = extremes.fit(maxima, 1_000)

    assert law.location == pytest.approx(3.0, abs=0.02)
    assert law.scale == pytest.approx(0.5, abs=0.02)
    exceeded = (maxima > law.threshold(0.01 / 1_000)).mean()
    assert exceeded == pytest.approx(0.01, rel=0.25)


def test_rarer_alarms_need_higher_thresholds() -> None:
    law = extremes.fit(np.random.default_rng(2).gumbel(size=100), 1_000)

    assert law.threshold(1e-9) > law.threshold(1e-6) > law.threshold(1e-3)
    assert law.threshold(1.0) == law.threshold(1 / 1_000)


def test_a_statistic_that_never_varies_is_its_own_threshold() -> None:
    law = extremes.fit(np.full(50, 0.25), 1_000)

    assert law.threshold(1e-9) == pytest.approx(0.25)


def test_a_law_needs_streams() -> None:
    with pytest.raises(NotEnough, match="19 streams"):
        extremes.fit(np.zeros(19), 1_000)


def wandering(rng: np.random.Generator, n: int) -> np.ndarray:
    """Values that depend on those before, as production does."""
    level = np.repeat(rng.normal(0, 0.7, n // 100 + 1), 100)[:n]
    return level + rng.normal(size=n)


def test_past_windows_raise_the_threshold_where_production_wanders_anyway() -> None:
    rng = np.random.default_rng(3)
    fitted = KullbackLeibler(column_of(wandering(rng, 10_000)))
    past = wandering(rng, 25 * 200)
    steps = np.stack([fitted.summary(part) for part in np.split(past, len(past) // 50)])

    drawn = calibration.drawn(fitted, SCHEDULE, rng)
    glued = calibration.glued(fitted, steps, SCHEDULE, rng)
    both = Calibration(drawn, glued)

    assert glued.threshold(1e-6) > 1.5 * drawn.threshold(1e-6)
    assert both.threshold(1e-6) == glued.threshold(1e-6)
    assert Calibration(drawn).threshold(1e-6) == drawn.threshold(1e-6)


def test_fewer_than_twenty_windows_are_no_past() -> None:
    fitted = KullbackLeibler(column_of(np.arange(100.0)))
    steps = np.zeros((20 * SCHEDULE.n_steps - 1, 11))

    with pytest.raises(NotEnough, match="19 past windows of the 20"):
        calibration.glued(fitted, steps, SCHEDULE, np.random.default_rng(4))


def test_a_calibration_survives_json() -> None:
    law = extremes.fit(np.random.default_rng(5).gumbel(size=30), 1_000)

    for one in (Calibration(law), Calibration(law, law)):
        again = Calibration.from_dict(json.loads(json.dumps(one.to_dict(), allow_nan=False)))
        assert again == one
    assert not Calibration(law).is_complete


def test_the_budget_of_a_month_is_spent_once() -> None:
    budget = Budget(per_month=1.0, values_per_month=10_000_000, n_slicings=2)

    spent = budget.score + budget.other + 2 * budget.slice
    assert spent * budget.values_per_month == pytest.approx(1.0)


def test_little_traffic_does_not_buy_frequent_alarms() -> None:
    assert Budget(1.0, 100).score == MOST_PER_VALUE
    assert Budget(1.0, 0).slice == MOST_PER_VALUE


@pytest.mark.parametrize(
    ("ratio", "word"),
    [(0.0, "normal"), (0.299, "normal"), (0.3, "slight"), (0.5, "slight"), (0.51, "significant"),
     (1.0, "significant"), (1.01, "severe")],
)  # fmt: skip
def test_words_go_by_the_calibrated_threshold(ratio: float, word: str) -> None:
    assert scale_of(ratio * 0.02, 0.02) == Scale(word)


def test_sums_over_a_moving_window() -> None:
    steps = np.arange(12.0).reshape(6, 2)

    sums = moving(steps, 3)

    assert sums.tolist() == [steps[start : start + 3].sum(axis=0).tolist() for start in range(4)]


@settings(deadline=None)
@given(st.lists(st.lists(st.floats(-5, 5) | st.just(math.nan), min_size=3, max_size=3), max_size=9))
def test_a_panel_counts_as_its_columns_do(rows: list[list[float]]) -> None:
    rng = np.random.default_rng(6)
    columns = {
        "even": column_of(rng.normal(size=200)),
        "constant": column_of(np.ones(50)),
        "holed": column_of(np.where(rng.random(200) < 0.5, np.nan, rng.integers(0, 3, 200))),
    }
    window = np.array(rows, dtype=float).reshape(len(rows), 3)

    side_by_side = panel.Panel(columns).count(window)

    for index, column in enumerate(columns.values()):
        assert side_by_side[index].tolist() == column.count(window[:, index]).tolist()


def test_a_panel_measures_as_single_detectors_do() -> None:
    rng = np.random.default_rng(7)
    columns = {str(i): column_of(rng.normal(i, 1, 300)) for i in range(4)}
    window = rng.normal(1, 1, (100, 4))
    every = panel.Panel(columns)

    for measure in (kl, psi, chi_square):
        together = every.distances(measure, every.count(window))
        alone = [
            float(measure(column.counts.astype(float), column.count(window[:, i]).astype(float)))
            for i, column in enumerate(columns.values())
        ]
        assert together.tolist() == pytest.approx(alone)


def test_a_column_survives_json_and_pools_with_others_of_its_bins() -> None:
    values = np.array([1.0, 2.0, 2.0, np.nan, 5.0])
    column = column_of(values)

    again = Column.from_dict(json.loads(json.dumps(column.to_dict(), allow_nan=False)))

    assert again.counts.tolist() == column.counts.tolist()
    assert again.edges.tolist() == column.edges.tolist()
    assert pooled([column, again]).counts.tolist() == (2 * column.counts).tolist()


def test_a_schedule_must_divide_its_window() -> None:
    assert Schedule.of(1_000) == Schedule(1_000, 50)
    with pytest.raises(ValueError, match="must divide"):
        Schedule.of(1_010)


def test_expected_performance_is_what_labels_drawn_from_the_probabilities_give() -> None:
    rng = np.random.default_rng(8)
    p = rng.beta(0.5, 1.5, 200_000)
    labels = rng.random(len(p)) < p
    called = p >= 0.4

    found = estimate.figures(estimate.expected(p, 0.4))

    hits = (called & labels).sum()
    assert found["precision"] == pytest.approx(hits / called.sum(), abs=0.005)
    assert found["recall"] == pytest.approx(hits / labels.sum(), abs=0.005)
    assert found["f1"] == pytest.approx(2 * hits / (called.sum() + labels.sum()), abs=0.005)


def test_expected_performance_of_nothing_is_zero() -> None:
    assert estimate.figures(estimate.expected(np.empty(0), 0.5)) == {
        "f1": 0.0,
        "precision": 0.0,
        "recall": 0.0,
    }


def test_realized_loss_is_measured_from_what_the_version_was_judged_with() -> None:
    scores = column_of(np.full(100, 0.5))
    window = np.array([[0.5, 1.0], [0.5, 0.0]])

    assert RealizedLoss(scores).statistic(window) == pytest.approx(0.0)
    assert RealizedLoss(scores, judged=0.3).statistic(window) == 0.0
    assert RealizedLoss(scores).statistic(np.array([[0.9, 0.0]])) == pytest.approx(0.81 - 0.25)


def test_a_column_that_never_varied_sees_other_values() -> None:
    fitted = KullbackLeibler(column_of(np.full(5_000, 18.0)))
    law = calibration.drawn(fitted, Schedule(), np.random.default_rng(8))
    threshold = law.threshold(MOST_PER_VALUE)

    def statistic(n_other: int, value: float) -> float:
        return fitted.statistic(np.array([value] * n_other + [18.0] * (1_000 - n_other)))

    assert statistic(0, 20.0) < statistic(1, 20.0) < threshold
    for value in (17.9, 20.0, math.nan):
        assert statistic(50, value) > threshold


def test_a_threshold_of_nothing_makes_no_infinite_ratio() -> None:
    look = Look({"score": 0.4}, np.array([0.0, 0.3, 0.2]), 0.4, 0.4, {})
    limits = Limits({"score": 0.0}, np.array([0.0, 0.0, 0.1]))

    assert limits.column_ratios(look).tolist() == pytest.approx([0.0, MOST_RATIO, 2.0])
    assert limits.ratios(look) == pytest.approx({"score": MOST_RATIO, "columns": MOST_RATIO})
    assert ratio_of(-0.1, 0.0) == 0.0
