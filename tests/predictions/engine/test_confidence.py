"""Confidence in single calls."""

import numpy as np
import pytest

from predictions.engine.confidence import ConfidenceRule, learn_rule
from predictions.engine.metrics import expected_calibration_error

RULE = ConfidenceRule(threshold=0.4, defect_error=0.4, ok_error=0.2, calibration_error=0.01)


@pytest.mark.parametrize(
    ("probability", "level"),
    [
        (0.0, "high"),
        (0.09, "high"),
        (0.10, "medium"),
        (0.19, "medium"),
        (0.25, "low"),
        (0.399, "low"),
        (0.4, "low"),
        (0.6, "low"),
        (0.62, "medium"),
        (0.80, "medium"),
        (0.82, "high"),
        (1.0, "high"),
    ],
)
def test_level_by_hand(probability: float, level: str) -> None:
    assert RULE.level(probability) == level


def test_many_levels_are_the_single_ones() -> None:
    probability = np.linspace(0, 1, 11)

    assert RULE.levels(probability) == [RULE.level(value) for value in probability]


def test_high_confidence_calls_are_wrong_less_often() -> None:
    rng = np.random.default_rng(3)
    probability = rng.beta(0.6, 1.4, 20_000)
    labels = rng.random(20_000) < probability
    called = probability >= 0.35
    error = expected_calibration_error(labels, probability, called, np.ones(20_000))

    levels = np.array(learn_rule(labels, probability, 0.35, error).levels(probability))

    wrong = called != labels
    high, medium, low = (wrong[levels == name].mean() for name in ("high", "medium", "low"))
    assert high < medium < low


def test_call_of_a_kind_never_made_is_low() -> None:
    rule = learn_rule(np.array([True, False]), np.array([0.1, 0.2]), 0.9, 0.0)

    assert rule.level(0.95) == "low"


def test_rule_survives_json() -> None:
    assert ConfidenceRule.from_dict(RULE.to_dict()) == RULE
