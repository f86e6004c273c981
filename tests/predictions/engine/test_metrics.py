"""Metrics against hand-worked values and against scikit-learn."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as reference

from predictions.engine.metrics import METRICS
from predictions.engine.training import TrainedModel

LABELS = np.array([True, False, True, False, False])
PROBABILITY = np.array([0.9, 0.8, 0.6, 0.3, 0.1])
CALLED = PROBABILITY >= 0.5
ONES = np.ones(5)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("precision", 2 / 3),
        ("recall", 1.0),
        ("f1", 0.8),
        ("roc_auc", 5 / 6),
        ("pr_auc", (1 + 2 / 3) / 2),
        ("brier", (0.01 + 0.64 + 0.16 + 0.09 + 0.01) / 5),
        ("log_loss", -np.log([0.9, 0.2, 0.6, 0.7, 0.9]).sum() / 5),
        ("ece", (0.1 + 0.8 + 0.4 + 0.3 + 0.1) / 5),
    ],
)
def test_metric_by_hand(name: str, expected: float) -> None:
    value = METRICS[name].function(LABELS, PROBABILITY, CALLED, ONES)

    assert value == pytest.approx(expected)


def _reference(name: str, labels: Any, probability: Any, called: Any, weight: Any) -> float:
    by_call = {
        "precision": reference.precision_score,
        "recall": reference.recall_score,
        "f1": reference.f1_score,
    }
    by_score = {
        "roc_auc": reference.roc_auc_score,
        "pr_auc": reference.average_precision_score,
        "brier": reference.brier_score_loss,
        "log_loss": reference.log_loss,
    }
    if name in by_call:
        return float(by_call[name](labels, called, sample_weight=weight))
    return float(by_score[name](labels, probability, sample_weight=weight))


@pytest.mark.parametrize("name", [name for name in METRICS if name != "ece"])
@settings(max_examples=30)
@given(
    rows=st.lists(
        st.tuples(st.booleans(), st.sampled_from([0.05, 0.2, 0.5, 0.5001, 0.8]), st.integers(0, 3)),
        min_size=2,
        max_size=40,
    )
)
def test_metric_agrees_with_scikit_learn(name: str, rows: list[tuple[bool, float, int]]) -> None:
    labels = np.array([True, False, *(row[0] for row in rows)])
    probability = np.array([0.7, 0.3, *(row[1] for row in rows)])
    weight = np.array([1.0, 1.0, *(float(row[2]) for row in rows)])
    called = probability >= 0.45

    value = METRICS[name].function(labels, probability, called, weight)

    assert value == pytest.approx(_reference(name, labels, probability, called, weight), abs=1e-12)


@pytest.mark.parametrize("name", list(METRICS))
@settings(max_examples=30)
@given(
    labels=st.lists(st.booleans(), min_size=1, max_size=12),
    seed=st.integers(0, 99),
)
def test_weight_two_is_a_row_twice(name: str, labels: list[bool], seed: int) -> None:
    given_labels = np.array(labels)
    probability = np.random.default_rng(seed).random(len(labels)).round(1)
    weight = np.random.default_rng(seed).integers(0, 3, len(labels))
    twice = np.repeat(np.arange(len(labels)), weight)

    function = METRICS[name].function
    weighted = function(given_labels, probability, probability > 0.5, weight.astype(np.float64))
    repeated = (
        function(
            given_labels[twice], probability[twice], probability[twice] > 0.5, np.ones(len(twice))
        )
        if len(twice)
        else float("nan")
    )

    assert weighted == pytest.approx(repeated, nan_ok=True)


@pytest.mark.parametrize("name", ["f1", "recall", "roc_auc", "pr_auc"])
def test_metric_without_defects_is_not_defined(name: str) -> None:
    none: NDArray[np.bool_] = np.zeros(5, dtype=bool)

    assert np.isnan(METRICS[name].function(none, PROBABILITY, CALLED, ONES))


def test_every_figure_of_a_report_is_in_the_table(trained: TrainedModel) -> None:
    report = trained.report.to_dict()
    results = [report, *report["comparisons"], *report["baselines"], *report["folds"]]
    results += [*report["slices"], report["worst_slice"]]

    named = {name for result in results for name in result["metrics"]}

    assert named == set(METRICS) == {metric["name"] for metric in report["metric_table"]}


def test_every_metric_names_unit_direction_and_source() -> None:
    for name, metric in METRICS.items():
        content = metric.to_dict()
        assert content["name"] == name
        assert content["unit"]
        assert content["source"]
        assert isinstance(content["higher_is_better"], bool)


@pytest.mark.parametrize("name", list(METRICS))
def test_direction_is_the_one_that_perfect_probabilities_take(name: str) -> None:
    metric = METRICS[name]
    perfect = np.where(LABELS, 1.0, 0.0)

    best = metric.function(LABELS, perfect, perfect >= 0.5, ONES)
    seen = metric.function(LABELS, PROBABILITY, np.array([False, True, True, True, False]), ONES)

    assert best > seen if metric.higher_is_better else best < seen
