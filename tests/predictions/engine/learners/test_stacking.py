"""The weights of stacking, and that they come from rows the learners had not seen."""

import numpy as np
import pytest
from scipy.special import expit

from predictions.engine.learners import stacking
from predictions.engine.learners.contract import LearnerParams, Rows, silent
from predictions.engine.learners.stacking import fit_weights

PARAMS = LearnerParams(60, 6, 0.3, 1.0, 1.0, 1, 1.0)


def test_the_weights_of_log_odds_that_are_true_are_one() -> None:
    rng = np.random.default_rng(1)
    raw = rng.normal(-1, 1.5, size=(20_000, 1))
    labels = rng.random(20_000) < expit(raw[:, 0])

    weights, intercept = fit_weights(raw, labels)

    assert weights[0] == pytest.approx(1, abs=0.05)
    assert intercept == pytest.approx(0, abs=0.05)


def test_a_learner_that_is_wrong_weighs_nothing_rather_than_less() -> None:
    rng = np.random.default_rng(2)
    good = rng.normal(size=4_000)
    labels = rng.random(4_000) < expit(good)

    weights, _intercept = fit_weights(np.column_stack([good, -good]), labels)

    assert weights[0] > 0.9
    assert weights[1] == 0


def test_a_learner_that_only_remembers_gets_little_weight() -> None:
    rng = np.random.default_rng(3)
    columns = rng.normal(size=(800, 6)).astype(np.float32)
    labels = rng.random(800) < expit(1.5 * columns[:, 0])
    rows = Rows(columns, labels, np.arange(800))

    stack = stacking.fit(rows, PARAMS, 1, silent)

    contributions = dict(zip(stacking.BASES, stack.weights * stack.spread, strict=True))
    assert contributions["logistic_regression"] > 3 * contributions["gradient_boosting"]
