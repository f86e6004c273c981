"""Metrics, baselines and the report."""

import json

import numpy as np
import pytest

from predictions.engine.routing.baselines import BASELINES, ordinal_vectors
from predictions.engine.routing.evaluation import evaluate, evaluate_cold
from predictions.engine.routing.generator import Generated
from predictions.engine.routing.metrics import METRICS, kendall_tau, operation_f1
from predictions.engine.routing.model import RoutingModel
from predictions.engine.routing.routings import Routing
from predictions.engine.routing.tables import ItemTable


def test_operation_f1_counts_repeats() -> None:
    assert operation_f1(("A", "B"), ("A", "B")) == 1
    assert operation_f1(("A", "B"), ("A", "B", "B")) == pytest.approx(0.8)
    assert operation_f1((), ("A",)) == 0


def test_kendall_tau_of_hand_worked_orders() -> None:
    assert kendall_tau(("A", "B", "C"), ("A", "B", "C")) == 1
    assert kendall_tau(("C", "B", "A"), ("A", "B", "C")) == -1
    assert kendall_tau(("A", "C", "B", "X"), ("A", "B", "C")) == pytest.approx(1 / 3)
    assert np.isnan(kendall_tau(("A",), ("A", "B")))


def test_every_metric_has_unit_direction_and_source() -> None:
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.unit
        assert metric.source
        assert metric.higher_is_better in (True, False, None)


def test_the_report_judges_model_and_baselines_on_the_same_items(
    model: RoutingModel, split: tuple[ItemTable, ItemTable], generated: Generated
) -> None:
    report = evaluate(
        model, split[1], generated.routings, train_items=split[0], seed=0, n_bootstraps=30
    )

    content = report.to_dict()
    json.dumps(content, allow_nan=False)
    assert content["n_items"] == split[1].n_rows
    assert [one["name"] for one in content["baselines"]] == [one.name for one in BASELINES]
    exact = report.figures["exact"]
    assert exact.low is not None
    assert exact.value is not None
    assert exact.high is not None
    assert exact.low <= exact.value <= exact.high
    top3 = report.figures["top3"].value
    assert top3 is not None
    assert top3 >= exact.value
    frequent = report.baselines["most_frequent"]["exact"].value
    assert frequent is not None
    assert exact.value > frequent + 0.2
    assert sum(int(row["n"]) for row in report.slices.values()) == report.n_items


def test_cold_items_are_told_from_known_ones(
    model: RoutingModel,
    cold: ItemTable,
    split: tuple[ItemTable, ItemTable],
    generated: Generated,
) -> None:
    quality = evaluate_cold(model, cold, split[1], generated.routings)

    assert quality.auc > 0.95
    assert quality.refused_cold > quality.refused_known + 0.5
    assert quality.exact_cold < 0.1


@pytest.mark.parametrize("baseline", BASELINES, ids=lambda one: one.name)
def test_baselines_guess_once_for_every_item(
    baseline: object, split: tuple[ItemTable, ItemTable], generated: Generated
) -> None:
    primary = generated.routings.primary()
    routings: list[Routing] = [primary[code] for code in split[0].codes()]

    guesses = baseline.guess(split[0].columns(), routings, split[1].columns())  # type: ignore[attr-defined]  # a Baseline

    assert len(guesses) == split[1].n_rows
    assert all(guess.ranked and guess.total_minutes > 0 for guess in guesses)


def test_ordinal_vectors_are_standardized_on_training_items_alone(
    split: tuple[ItemTable, ItemTable],
) -> None:
    train, test = ordinal_vectors(split[0].columns(), split[1].columns())

    assert np.isfinite(train).all()
    assert np.isfinite(test).all()
    assert np.abs(train.mean(axis=0)).max() < 1e-6
