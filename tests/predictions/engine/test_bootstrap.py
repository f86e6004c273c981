"""Bootstrap intervals."""

import numpy as np
import pytest

from predictions.engine.bootstrap import Scored, intervals, measure, paired_difference


def _scored(n: int, seed: int, skill: float = 1.0, n_copies: int = 1) -> Scored:
    rng = np.random.default_rng(seed)
    labels = np.random.default_rng(0).random(n) < 0.3
    probability = 1 / (1 + np.exp(-(skill * labels + rng.normal(0, 1, n) - 1)))
    rows = np.repeat(np.arange(n), n_copies)
    scored = Scored(labels, probability, probability > 0.4, np.arange(n))
    return scored.at(rows)


def test_interval_of_a_share_agrees_with_the_normal_approximation() -> None:
    scored = _scored(600, 1)

    recall = intervals(scored, seed=1, n_draws=600, names=["recall"])["recall"]

    assert recall.value is not None
    assert recall.low is not None
    assert recall.high is not None
    half = 1.96 * np.sqrt(recall.value * (1 - recall.value) / scored.labels.sum())
    assert recall.low == pytest.approx(recall.value - half, abs=0.015)
    assert recall.high == pytest.approx(recall.value + half, abs=0.015)


def test_copies_in_one_group_do_not_narrow_the_interval() -> None:
    single = intervals(_scored(300, 1), seed=1, n_draws=200, names=["roc_auc"])["roc_auc"]
    copied = intervals(_scored(300, 1, n_copies=5), seed=1, n_draws=200, names=["roc_auc"])

    assert copied["roc_auc"].low == pytest.approx(single.low)
    assert copied["roc_auc"].high == pytest.approx(single.high)


def test_same_seed_gives_the_same_interval() -> None:
    first, second = (intervals(_scored(100, 1), seed=5, n_draws=50) for _ in range(2))

    assert first == second


def test_without_draws_there_is_a_figure_but_no_interval() -> None:
    scored = _scored(100, 1)

    found = intervals(scored, seed=1, n_draws=0)

    assert {name: item.value for name, item in found.items()} == pytest.approx(measure(scored))
    assert found["f1"].low is None


def test_metric_that_is_not_defined_is_none() -> None:
    none = Scored(np.zeros(9, bool), np.full(9, 0.1), np.zeros(9, bool), np.arange(9))

    assert intervals(none, seed=1, n_draws=10)["roc_auc"].to_dict() == {
        "value": None,
        "low": None,
        "high": None,
    }


def test_difference_of_a_model_and_itself_is_zero() -> None:
    scored = _scored(200, 1)

    found = paired_difference(scored, scored, "pr_auc", seed=1, n_draws=50)

    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_better_model_differs_by_an_interval_above_zero() -> None:
    found = paired_difference(
        _scored(800, 2, skill=2.5), _scored(800, 3, skill=0.5), "roc_auc", seed=1, n_draws=200
    )

    assert found.low is not None
    assert found.low > 0


def test_models_on_different_rows_are_not_compared() -> None:
    with pytest.raises(ValueError, match="same rows"):
        paired_difference(_scored(20, 1), _scored(21, 1), "f1", seed=1, n_draws=5)


def test_drawing_can_be_cut_short() -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        intervals(_scored(50, 1), seed=1, n_draws=5, on_draw=stop)
