"""Operating points and what they cost."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictions.engine.costs import BadCosts, OperatingPoint, cost_curve, operating_points

LABELS = np.array([False, True, False, True])
PROBABILITY = np.array([0.1, 0.3, 0.4, 0.8])


def test_points_by_hand() -> None:
    points = {point.threshold: point for point in operating_points(LABELS, PROBABILITY)}

    assert points[0.0] == OperatingPoint(0.0, 0.0, 0.5)
    assert points[0.4] == OperatingPoint(0.4, 0.25, 0.25)
    assert points[0.8] == OperatingPoint(0.8, 0.25, 0.0)
    assert points[max(points)] == OperatingPoint(max(points), 0.5, 0.0)
    assert max(points) > 1


def test_costs_by_hand() -> None:
    curve = cost_curve(
        operating_points(LABELS, PROBABILITY), missed_defect=9, false_alarm=1, volume=1_000
    )

    assert curve.cheapest.threshold == 0.3
    assert curve.cheapest.n_missed == 0
    assert curve.cheapest.cost == curve.cheapest.n_false_alarms == 250
    assert curve.implied_threshold == 0.1
    assert (curve.call_all.cost, curve.call_none.cost) == (500, 4_500)


def test_a_free_false_alarm_calls_every_shot_and_a_free_miss_none() -> None:
    points = operating_points(LABELS, PROBABILITY)

    caught = cost_curve(points, missed_defect=1, false_alarm=0, volume=10)
    let_go = cost_curve(points, missed_defect=0, false_alarm=1, volume=10)

    assert caught.cheapest.n_missed == 0
    assert caught.implied_threshold == 0
    assert let_go.cheapest == let_go.call_none
    assert let_go.implied_threshold == 1


def test_true_probabilities_are_cheapest_near_the_implied_threshold() -> None:
    rng = np.random.default_rng(1)
    probability = rng.random(40_000)
    labels = rng.random(40_000) < probability

    curve = cost_curve(
        operating_points(labels, probability), missed_defect=3, false_alarm=1, volume=1
    )

    assert curve.implied_threshold == 0.25
    assert curve.cheapest.threshold == pytest.approx(0.25, abs=0.05)


@given(st.lists(st.booleans(), min_size=1, max_size=300), st.integers(0, 99))
def test_points_count_as_calling_does(labels: list[bool], seed: int) -> None:
    known = np.array(labels)
    probability = np.random.default_rng(seed).random(len(known)).round(2)

    for point in operating_points(known, probability):
        called = probability >= point.threshold
        assert point.missed == pytest.approx((known & ~called).mean())
        assert point.false_alarms == pytest.approx((~known & called).mean())


@pytest.mark.parametrize(
    ("missed", "alarm", "volume"),
    [(-1, 1, 1), (1, -1, 1), (1, 1, 0), (0, 0, 1), (float("nan"), 1, 1), (1, float("inf"), 1)],
)
def test_costs_out_of_bounds_are_refused(missed: float, alarm: float, volume: float) -> None:
    points = operating_points(LABELS, PROBABILITY)

    with pytest.raises(BadCosts, match="give"):
        cost_curve(points, missed_defect=missed, false_alarm=alarm, volume=volume)


def test_a_report_without_points_is_refused() -> None:
    with pytest.raises(BadCosts, match="again"):
        cost_curve([], missed_defect=1, false_alarm=1, volume=1)
