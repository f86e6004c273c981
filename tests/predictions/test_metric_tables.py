"""Every figure comes from one table that says unit, direction and source."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from django.utils import translation
from django.utils.translation import gettext

from portal.registry.engine.metrics import METRICS as GATE_METRICS
from portal.registry.engine.metrics import Sample
from portal.registry.engine.rowwise import ROW_METRICS
from predictions import selectors
from predictions.engine import ablation, evaluation
from predictions.engine.metrics import METRICS
from predictions.engine.routing.metrics import METRICS as ROUTING_METRICS
from tests.predictions.conftest import SmallModel

TABLES: Mapping[str, Mapping[str, Any]] = {
    "quality": METRICS,
    "gate": GATE_METRICS,
    "gate, row by row": ROW_METRICS,
    "routing": ROUTING_METRICS,
}
#: What the gate calls otherwise than reports do.
SAME = {"average_precision": "pr_auc", "roc_auc": "roc_auc", "f1": "f1", "brier": "brier"}


@pytest.mark.parametrize("table", TABLES)
def test_every_metric_has_unit_direction_and_source(table: str) -> None:
    assert TABLES[table]
    for name, metric in TABLES[table].items():
        assert metric.name == name
        assert metric.unit, name
        has_target = name.endswith("coverage")  # neither more nor less than 80 % is better
        assert (metric.higher_is_better is None) == has_target, name
        assert metric.source.strip(), name
        assert callable(metric.function), name


@pytest.mark.parametrize("table", TABLES)
def test_every_metric_has_a_korean_name_in_the_catalogue(table: str) -> None:
    for metric in TABLES[table].values():
        with translation.override("ko"):
            assert gettext(metric.label), metric.name


def test_reports_name_no_metric_outside_the_table(small_model: SmallModel) -> None:
    report = small_model.trained.report.to_dict()

    results = [report, *report["baselines"], *report["comparisons"], *report["slices"]]
    named = {name for result in results for name in result["metrics"]}

    assert named <= set(METRICS)
    assert [one["name"] for one in report["metric_table"]] == list(METRICS)
    assert all({"unit", "higher_is_better", "source"} <= set(o) for o in report["metric_table"])
    assert {*selectors.METRICS, *evaluation.FOLD_METRICS, ablation.METRIC} <= set(METRICS)


@pytest.mark.parametrize("name", SAME)
def test_the_gate_measures_what_reports_measure(name: str) -> None:
    rng = np.random.default_rng(3)
    labels = rng.random(300) < 0.3
    probability = np.clip(labels * 0.2 + rng.random(300) * 0.8, 0, 1).round(2)
    sample = Sample(labels, probability, 0.5)

    reported = METRICS[SAME[name]]
    value = reported.function(labels, probability, probability >= 0.5, np.ones(300))

    assert GATE_METRICS[name].value(sample) == pytest.approx(value)
    assert GATE_METRICS[name].higher_is_better == reported.higher_is_better
