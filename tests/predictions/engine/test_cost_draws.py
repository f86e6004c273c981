"""How sure costs are: against shots that really are drawn again."""

from dataclasses import replace

import numpy as np
import pytest

from predictions.engine.cost_draws import CostDraws, draw_costs
from predictions.engine.costs import BadCosts, OperatingPoint, cost_curve, operating_points

PRICES = {"missed_defect": 9.0, "false_alarm": 1.0, "volume": 1_000.0}
N = 400


def scored(n: int = N) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    labels = rng.random(n) < 0.2
    return labels, np.clip(0.2 + 0.3 * labels + rng.normal(0, 0.15, n), 0, 1)


def drawn(n_shots: int = N) -> CostDraws:
    return draw_costs(operating_points(*scored()), n_shots, **PRICES)


def test_the_band_is_that_of_shots_drawn_one_by_one() -> None:
    labels, probability = scored()
    points = operating_points(labels, probability)
    rng = np.random.default_rng(8)
    reference = np.empty((2_000, len(points)))
    for draw in reference:
        rows = rng.integers(N, size=N)
        for place, point in enumerate(points):
            called = probability[rows] >= point.threshold
            missed, stopped = (labels[rows] & ~called).mean(), (~labels[rows] & called).mean()
            draw[place] = 1_000 * (9 * missed + stopped)

    band = drawn().band()

    expected = np.percentile(reference, [2.5, 97.5], axis=0)
    width = (expected[1] - expected[0]).max()
    np.testing.assert_allclose([span.low for span in band], expected[0], atol=0.15 * width)
    np.testing.assert_allclose([span.high for span in band], expected[1], atol=0.15 * width)


def test_a_threshold_saves_nothing_against_itself() -> None:
    savings = drawn().savings(40)

    assert (savings[40].low, savings[40].high) == (0, 0)
    assert savings[0].low < savings[0].high


def test_the_curve_lies_in_its_band_and_the_cheapest_threshold_in_its_interval() -> None:
    curve = cost_curve(operating_points(*scored()), **PRICES)
    draws = drawn()

    within = [
        span.low <= point.cost <= span.high
        for point, span in zip(curve.points, draws.band(), strict=True)
    ]
    assert np.mean(within) > 0.95
    assert draws.cheapest().low <= curve.cheapest.threshold <= draws.cheapest().high


def test_more_shots_are_surer() -> None:
    few, many = (drawn(n).band()[50] for n in (100, 10_000))

    assert many.high - many.low < 0.3 * (few.high - few.low)


def test_the_same_question_has_the_same_answer() -> None:
    np.testing.assert_array_equal(drawn().costs, drawn().costs)


def test_points_that_are_no_shares_are_refused() -> None:
    point = OperatingPoint(0.0, 0.0, 0.0)
    for points in ([point], [point, replace(point, threshold=1.0, missed=-0.5)]):
        with pytest.raises(BadCosts):
            draw_costs(points, 10, **PRICES)
