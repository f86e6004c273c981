"""Training from a table to a judged model."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from predictions.engine.basis import NotTrainable
from predictions.engine.bootstrap import intervals
from predictions.engine.costs import OperatingPoint, cost_curve
from predictions.engine.crossfit import Shots, cross_fit, plan
from predictions.engine.evaluation import score
from predictions.engine.features import FEATURE_NAMES
from predictions.engine.generator import generate
from predictions.engine.parameters import TrainingParams
from predictions.engine.progress import Meter
from predictions.engine.rows import first_of_copies, group_numbers, row_keys
from predictions.engine.serving import ServingModel
from predictions.engine.signature import Signature
from predictions.engine.splits import PROTOCOLS
from predictions.engine.tables import ShotTable
from predictions.engine.training import TrainedModel, train
from predictions.engine.validate import validate_matrix
from tests.predictions.engine.conftest import SMALL

TINY = TrainingParams(
    n_estimators=10, max_depth=2, n_folds=2, n_inner_folds=2, n_bootstraps=5, compare=False
)


class Cancelled(Exception):
    """Raised by a test to stop a training."""


def _relabelled(table: ShotTable, labels: NDArray[np.bool_]) -> ShotTable:
    place = table.names.index("defect")
    return ShotTable(table.data.set_column(place, "defect", pa.array(labels)), table.source)


def test_model_learns_and_beats_the_humble_baselines(trained: TrainedModel) -> None:
    result = trained.report.result
    auc = result.metrics["roc_auc"]

    assert auc.value is not None
    assert 0.7 < auc.value < 0.92
    for baseline in result.baselines:
        assert auc.value > (baseline.metrics["roc_auc"].value or 0)


def test_interval_holds_the_figure(trained: TrainedModel) -> None:
    for figure in trained.report.result.metrics.values():
        assert figure.low is not None
        assert figure.high is not None
        assert figure.low < figure.high


def test_report_counts_copies_once(trained: TrainedModel, shots: ShotTable) -> None:
    report = trained.report

    assert report.n_rows == shots.n_rows
    assert report.n_distinct == report.result.n_tested == shots.n_rows - 50
    assert "copied_rows" in {finding.code for finding in report.findings}


def test_leaking_protocol_stands_beside_and_is_marked(trained: TrainedModel) -> None:
    beside = {result.name: result for result in trained.report.comparisons}

    assert set(beside) == {"forward", "product", "mold", "random"}
    assert beside["random"].leaks
    assert not trained.report.result.leaks


def test_same_seed_gives_the_same_model_and_report(shots: ShotTable) -> None:
    part = shots.take(np.arange(600))

    first, second = (train(part, TINY, seed=9) for _ in range(2))

    assert first.report.to_dict() == second.report.to_dict()
    assert np.array_equal(first.predict(part.matrix()), second.predict(part.matrix()))


def test_other_seed_gives_another_model(shots: ShotTable) -> None:
    part = shots.take(np.arange(600))

    first, second = (train(part, TINY, seed=seed) for seed in (1, 2))

    assert not np.array_equal(first.predict(part.matrix()), second.predict(part.matrix()))


def test_report_is_ready_for_json(trained: TrainedModel) -> None:
    report = json.loads(json.dumps(trained.report.to_dict(), allow_nan=False))

    assert report["protocol"]["name"] == "grouped"
    assert set(report["metrics"]) == {metric["name"] for metric in report["metric_table"]}
    assert report["worst_slice"]["column"] in {"Product_Type", "Mold", "Shift"}
    assert sum(report["importance"].values()) == pytest.approx(1)
    assert sum(report["confusion"].values()) == report["n_distinct"]


def test_calibrated_probabilities_average_to_the_defect_share(trained: TrainedModel) -> None:
    mean = trained.baseline.scores.mean

    assert mean == pytest.approx(trained.report.defect_share, abs=0.01)


def test_training_rows_pass_the_learned_signature(
    trained: TrainedModel, matrix: NDArray[np.float32]
) -> None:
    assert validate_matrix(matrix, trained.signature).is_valid
    assert Signature.from_dict(trained.signature.to_dict()) == trained.signature


def test_baseline_counts_every_distinct_shot(trained: TrainedModel) -> None:
    baseline = trained.baseline

    assert sum(baseline.scores.counts) == baseline.n_rows == trained.report.n_distinct
    assert set(baseline.features) == set(FEATURE_NAMES)
    assert sum(baseline.classes.values()) == baseline.n_rows


def test_progress_rises_to_one_and_names_phases(shots: ShotTable) -> None:
    told: list[tuple[float, str]] = []

    train(
        shots.take(np.arange(600)),
        TINY,
        seed=1,
        on_progress=lambda fraction, phase, _message, _metrics: told.append((fraction, phase)),
    )

    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert list(dict.fromkeys(phase for _, phase in told)) == [
        "evaluate",
        "fit",
        "compare",
        "report",
    ]


def test_what_progress_raises_ends_the_training(shots: ShotTable) -> None:
    calls: list[float] = []

    def cancel(fraction: float, _phase: str, _message: str, _metrics: dict[str, float]) -> None:
        calls.append(fraction)
        if len(calls) == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        train(
            shots.take(np.arange(600)), replace(TINY, n_estimators=400), seed=1, on_progress=cancel
        )
    assert calls[-1] < 1.0


def test_shuffled_labels_teach_nothing_and_the_report_says_so(shots: ShotTable) -> None:
    part = shots.take(np.arange(800))
    labels = np.random.default_rng(1).random(800) < 0.3

    report = train(_relabelled(part, labels), replace(TINY, n_bootstraps=40), seed=1).report

    auc = report.result.metrics["roc_auc"]
    assert auc.value == pytest.approx(0.5, abs=0.07)
    assert "no_signal" in {finding.code for finding in report.findings}


def test_copies_inflate_only_the_leaking_protocol(shots: ShotTable) -> None:
    few = shots.take(np.arange(400))
    labels = np.random.default_rng(2).random(400) < 0.3
    copied = _relabelled(few, labels).take(np.repeat(np.arange(400), 3))

    report = train(copied, replace(SMALL, n_bootstraps=5), seed=1).report

    random = next(result for result in report.comparisons if result.name == "random")
    lookup = next(item for item in random.baselines if item.name == "lookup")
    assert lookup.metrics["f1"].value is not None
    assert lookup.metrics["f1"].value > 0.85
    assert report.result.metrics["roc_auc"].value == pytest.approx(0.5, abs=0.1)
    assert "leak_inflates" in {finding.code for finding in report.findings}


def test_labels_that_change_their_cause_are_said_to_be_worse_in_use(shots: ShotTable) -> None:
    part = shots.take(np.arange(1_200))
    values = part.matrix()
    early = np.arange(1_200) < 600
    labels = np.where(early, values[:, 5] > 3, values[:, 5] < 2.6)
    labels ^= np.random.default_rng(3).random(1_200) < 0.1

    report = train(_relabelled(part, labels), replace(SMALL, n_bootstraps=30), seed=1).report

    worse = [finding for finding in report.findings if finding.code == "worse_in_use"]
    assert "forward" in {finding.field for finding in worse}
    assert "expect the lower figure" in worse[0].message


def test_held_out_shots_are_left_out_under_any_counter(shots: ShotTable) -> None:
    apart = shots.take(np.arange(0, shots.n_rows, 5))

    report = train(shots, TINY, seed=1, held_out=apart).report

    kept = ~np.isin(row_keys(shots.matrix()), row_keys(apart.matrix()))
    assert report.n_rows == kept.sum()
    assert "held_out_rows" in {finding.code for finding in report.findings}


def test_only_the_latest_rows_are_used(shots: ShotTable) -> None:
    report = train(shots, replace(TINY, max_rows=500), seed=1).report

    assert report.n_rows == 500
    assert "rows_capped" in {finding.code for finding in report.findings}


def test_model_judged_forward_in_time_is_fitted_on_everything(shots: ShotTable) -> None:
    trained = train(shots, replace(TINY, protocol="forward"), seed=1)

    assert trained.report.result.n_tested < trained.report.n_distinct
    assert trained.report.result.name == "forward"


def test_inner_folds_never_see_the_outer_test_rows(shots: ShotTable) -> None:
    matrix = shots.matrix()
    labels = shots.labels()
    assert labels is not None
    every = Shots(matrix, labels, group_numbers(matrix))

    for name, protocol in PROTOCOLS.items():
        if protocol.by == "mold":
            continue
        for fold_plan in plan(every, protocol, TINY, 1):
            inside = every.groups[fold_plan.fold.train]
            for inner in fold_plan.inner:
                assert not set(inner.train) & set(inner.test)
                if name != "random":
                    tested = set(every.groups[fold_plan.fold.test])
                    assert not set(inside[inner.train]) & tested
                    assert not set(inside[inner.test]) & tested


def _without(table: ShotTable, column: str) -> ShotTable:
    return ShotTable(table.data.drop([column]), table.source)


def test_no_product_and_no_mold_is_on_both_sides_of_its_protocol(shots: ShotTable) -> None:
    matrix, labels = shots.matrix(), shots.labels()
    assert labels is not None
    names = [name or "" for name in shots.metadata("Mold") or []]
    molds = np.unique(names, return_inverse=True)[1]
    every = Shots(matrix, labels, group_numbers(matrix), molds)

    for name, part in (("product", matrix[:, 0]), ("mold", molds)):
        plans = plan(every, PROTOCOLS[name], TINY, 1)
        assert len(plans) == 2
        for fold_plan in plans:
            assert not set(part[fold_plan.fold.train]) & set(part[fold_plan.fold.test])
            shared = set(every.groups[fold_plan.fold.train])
            assert not shared & set(every.groups[fold_plan.fold.test])


def test_without_molds_the_protocol_by_mold_is_said_to_be_impossible(shots: ShotTable) -> None:
    part = _without(shots.take(np.arange(900)), "Mold")

    report = train(part, replace(TINY, compare=True), seed=1).report
    with pytest.raises(NotTrainable) as caught:
        train(part, replace(TINY, protocol="mold"), seed=1)

    assert "mold" not in {result.name for result in report.comparisons}
    assert "too_few_parts" in {finding.code for finding in report.findings}
    assert caught.value.problems[0].code == "too_few_parts"


def test_slices_carry_intervals_and_the_weakest_is_named(trained: TrainedModel) -> None:
    worst = trained.report.worst_slice

    assert worst is not None
    assert worst.n_rows >= 50
    for part in trained.report.slices:
        auc = part.intervals["roc_auc"]
        assert auc.value is not None
        assert auc.low is not None
        assert auc.high is not None
        assert auc.low <= auc.value <= auc.high
        assert (worst.metrics["roc_auc"] or 0) <= auc.value


def test_report_prices_thresholds_and_shows_every_check(trained: TrainedModel) -> None:
    report = json.loads(json.dumps(trained.report.to_dict(), allow_nan=False))

    points = [OperatingPoint(**point) for point in report["operating_points"]]
    curve = cost_curve(points, missed_defect=10, false_alarm=1, volume=30_000)
    assert curve.cheapest.cost < min(curve.call_all.cost, curve.call_none.cost)
    outcomes = {outcome["name"]: outcome for outcome in report["checks"]["outcomes"]}
    assert outcomes["copied_rows"]["is_clear"] is False
    assert outcomes["target_leak"]["is_clear"] is True
    assert outcomes["target_leak"]["value"] < outcomes["target_leak"]["limit"]
    assert outcomes["time_disorder"]["is_clear"] is True


@pytest.mark.parametrize("learner", ["extra_trees", "logistic_regression", "stacking"])
def test_other_learners_train_and_report(shots: ShotTable, learner: str) -> None:
    trained = train(shots.take(np.arange(700)), replace(TINY, learner=learner), seed=1)

    assert trained.fitted.family == learner
    assert sum(trained.report.importance.values()) == pytest.approx(1)


def test_latent_features_are_the_autoencoders_when_the_learner_uses_them(
    shots: ShotTable,
) -> None:
    params = replace(TINY, n_latent=4, n_epochs=1)

    trained = train(shots.take(np.arange(700)), params, seed=1)

    assert trained.latent(shots.matrix()[:5]).shape == (5, 4)
    assert {"Latent_1", "Latent_4"} <= set(trained.report.importance)


@pytest.mark.parametrize(
    "params",
    [TINY, replace(TINY, learner="stacking"), replace(TINY, n_latent=4, n_epochs=1)],
    ids=["boosting", "stacking", "autoencoder"],
)
def test_test_labels_do_not_influence_their_own_scores(
    shots: ShotTable, params: TrainingParams
) -> None:
    part = shots.take(np.flatnonzero(first_of_copies(shots.matrix(), shots.labels()))[:500])
    matrix, labels = part.matrix(), part.labels()
    assert labels is not None
    every = Shots(matrix, labels, group_numbers(matrix))
    plans = plan(every, PROTOCOLS["grouped"], params, 1)
    test = plans[0].fold.test
    flipped = replace(every, labels=np.where(np.isin(np.arange(500), test), ~labels, labels))

    honest, poisoned = (
        cross_fit(given, plans[:1], params, 1, Meter(None, 1))[0] for given in (every, flipped)
    )

    assert np.array_equal(honest.probability, poisoned.probability)
    assert honest.threshold == poisoned.threshold


def _constant(table: ShotTable) -> ShotTable:
    ones = {name: pa.array(np.ones(table.n_rows)) for name in FEATURE_NAMES}
    rest = {name: table.data[name] for name in table.names if name not in ones}
    return ShotTable(pa.table({**ones, **rest}), table.source)


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("unlabelled", "not_labelled"),
        ("few", "too_few_rows"),
        ("empty", "too_few_rows"),
        ("good", "one_class"),
        ("bad", "one_class"),
        ("constant", "too_few_rows"),
    ],
)
def test_hopeless_data_are_refused_with_the_reason(shots: ShotTable, how: str, code: str) -> None:
    part = shots.take(np.arange(400))
    tables = {
        "unlabelled": ShotTable(part.data.drop(["defect"]), part.source),
        "few": part.take(np.arange(40)),
        "empty": part.take(np.arange(0)),
        "good": _relabelled(part, np.zeros(400, dtype=bool)),
        "bad": _relabelled(part, np.ones(400, dtype=bool)),
        "constant": _constant(part),
    }

    with pytest.raises(NotTrainable) as caught:
        train(tables[how], TINY, seed=1)

    assert caught.value.problems[0].code == code


def test_time_blocks_of_one_class_are_refused_or_left_out_of_comparisons(shots: ShotTable) -> None:
    part = shots.take(np.arange(600))
    late = _relabelled(part, np.arange(600) >= 500)

    with pytest.raises(NotTrainable) as caught:
        train(late, replace(TINY, protocol="forward"), seed=1)
    report = train(late, replace(TINY, compare=True), seed=1).report

    assert caught.value.problems[0].code == "folds_not_trainable"
    assert "comparison_not_possible" in {finding.code for finding in report.findings}


def test_frozen_set_is_scored_without_its_copies(serving_model: ServingModel) -> None:
    table = generate(400, 99, copied_share=0.25).table()

    scored = score(serving_model, table)

    assert scored.n_rows == 300
    found = intervals(scored, seed=1, n_draws=20, names=["roc_auc"])["roc_auc"]
    assert found.value is not None
    assert found.value > 0.55
