"""A retraining: what it learns, when it is skipped, how it ends, and what a death leaves behind."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from django.test import override_settings

from portal.core.errors import InvalidInput
from portal.core.models import Alert, AuditEntry, Notice
from portal.lib import clock
from portal.registry import selectors
from portal.registry import services as registry
from portal.registry.models import EvaluationSet, GateEvaluation, ModelVersion, PromotionRequest
from portal.runs import artifacts
from portal.runs.models import Artifact, Run
from predictions import dispatch
from predictions.engine import gate_rows, tables
from predictions.engine.generator import generate
from predictions.engine.rows import row_keys
from predictions.models import Dataset, Prediction
from predictions.services import datasets, feedback, holdout, prediction_ids, retraining
from predictions.services.models import LEARNT, MODEL_NAME
from tests.predictions import retraining as plant

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]  # most of them train


@pytest.fixture
def champion(tmp_path: Path) -> ModelVersion:
    """Give a champion that knows the first weeks of the plant, all of it imported since."""
    first = plant.imported(plant.shots(0, plant.KNOWN), tmp_path, "first")
    version = plant.make_champion(first)
    plant.imported(plant.shots(plant.KNOWN, plant.ALL), tmp_path, "later")
    return version


def answered(version: ModelVersion, features: dict[str, float | None]) -> Prediction:
    return Prediction.objects.create(
        id=UUID(bytes=prediction_ids.new_ids(1, clock.now().timestamp())[0]),
        version=version,
        at=clock.now(),
        features=features,
        probability=0.2,
        predicted_class="ok",
        confidence="high",
        latency_ms=1.0,
    )


def n_left() -> dict[str, int]:
    return {
        "snapshots": Dataset.objects.filter(lineage__has_key="retraining").count(),
        "versions": ModelVersion.objects.filter(run__kind="predictions.retrain").count(),
        "verdicts": GateEvaluation.objects.count(),
        "requests": PromotionRequest.objects.count(),
        "notices": Notice.objects.filter(kind="retraining.finished").count(),
    }


ONE_OF_EACH = dict.fromkeys(("snapshots", "versions", "verdicts", "requests", "notices"), 1)


def test_a_version_that_passes_is_asked_for_with_its_evidence(champion: ModelVersion) -> None:
    said = plant.retrained(reason="monthly")

    request = PromotionRequest.objects.get()
    assert said["outcome"] == "proposed", said
    assert said["request"] == str(request.pk)
    assert (request.requested_by, request.state, request.reason) == (None, "open", "monthly")
    assert request.evidence["gate"]["outcome"] == "passed"
    assert request.champion == champion
    assert selectors.champion(MODEL_NAME) == champion
    assert n_left() == ONE_OF_EACH
    snapshot = Dataset.objects.get(lineage__has_key="retraining")
    assert snapshot.n_rows == plant.ALL
    assert [one["name"] for one in snapshot.lineage["sources"]] == ["first", "later"]
    assert request.candidate.lineage["dataset"]["id"] == snapshot.pk
    assert request.candidate.evaluation["params"]["n_estimators"] == plant.BETTER["n_estimators"]


def test_it_is_judged_on_shots_later_than_all_it_learnt(champion: ModelVersion) -> None:
    plant.retrained()

    version = ModelVersion.objects.exclude(pk=champion.pk).get()
    snapshot = datasets.load(Dataset.objects.get(lineage__has_key="retraining"))
    frozen = EvaluationSet.objects.get(versions=version)
    with artifacts.open_verified(frozen.artifact_id) as path:
        window = tables.read_table(path, require_label=True)
    before, latest = gate_rows.window(snapshot.n_rows)
    assert np.array_equal(window.matrix(), snapshot.matrix()[latest], equal_nan=True)
    learnt = gate_rows.read_keys(registry.read_artifact(version, LEARNT))
    assert not np.isin(row_keys(window.matrix()), learnt).any()
    earlier = snapshot.take(before).matrix()
    held = row_keys(earlier)[holdout.is_held_out(earlier)]
    assert not np.isin(held, learnt).any()
    assert len(learnt) > 0.7 * len(before)


def test_what_the_champion_had_learnt_is_left_out_of_the_comparison(tmp_path: Path) -> None:
    plant.make_champion(plant.imported(plant.shots(0, plant.ALL), tmp_path, "all"))

    said = plant.retrained(force=True)

    report = GateEvaluation.objects.get().report
    assert report["n_left_out"] > 0.7 * (report["n_left_out"] + report["n_rows"])
    assert said["outcome"] != "proposed"
    assert not PromotionRequest.objects.exists()


def test_where_the_policy_allows_it_the_version_goes_live(champion: ModelVersion) -> None:
    plant.allow_auto_apply()

    said = plant.retrained()

    live = selectors.champion(MODEL_NAME)
    assert said["outcome"] == "applied"
    assert live is not None
    assert live.number == said["version"] != champion.number
    assert Alert.objects.open().filter(key__startswith="registry.automatic").count() == 1
    assert AuditEntry.objects.filter(action="promotion.apply_automatically").count() == 1


def test_what_is_not_surely_better_is_recorded_and_not_asked_for(tmp_path: Path) -> None:
    plant.allow_auto_apply()
    first = plant.imported(plant.shots(0, 1_800), tmp_path, "first")
    plant.make_champion(first, plant.BETTER)
    plant.imported(plant.shots(1_800, plant.ALL), tmp_path, "later")

    said = plant.retrained(params=plant.WEAK)

    assert said["outcome"] in {"inconclusive", "failed"}
    assert GateEvaluation.objects.get().outcome == said["outcome"]
    assert not PromotionRequest.objects.exists()
    assert said["reason"].startswith(MODEL_NAME)
    assert said["reason"][:100] in Notice.objects.get(kind="retraining.finished").subject


# --- When there is nothing to do ----------------------------------------------------------------
def test_without_labelled_shots_it_is_skipped() -> None:
    said = plant.retrained()

    assert (said["outcome"], said["code"]) == ("skipped", "nothing_labelled")
    assert "There are no labelled shots" in said["reason"]


def test_while_a_request_waits_it_is_skipped(champion: ModelVersion) -> None:
    plant.retrained()

    said = plant.retrained()

    assert (said["outcome"], said["code"]) == ("skipped", "request_waiting")
    assert n_left() | {"notices": 1} == ONE_OF_EACH


def test_unchanged_shots_are_not_learnt_again_unless_asked(champion: ModelVersion) -> None:
    first = plant.retrained()
    PromotionRequest.objects.update(state="withdrawn", closed_at=champion.created_at)

    again = plant.retrained()
    forced = plant.retrained(force=True)

    assert first["version"] == 2
    assert (again["outcome"], again["code"]) == ("skipped", "unchanged")
    assert (forced["version"], forced["dataset"]) == (3, first["dataset"])


def test_too_little_new_is_left_to_grow(champion: ModelVersion, tmp_path: Path) -> None:
    with override_settings(RETRAIN_MIN_NEW=2_500):
        said = plant.retrained()

    assert (said["outcome"], said["code"]) == ("skipped", "too_little_new")
    assert "2500" in said["reason"]
    assert not Dataset.objects.filter(lineage__has_key="retraining").exists()


# --- What is learnt -----------------------------------------------------------------------------
def test_generated_shots_are_left_out_once_there_are_real_ones(tmp_path: Path) -> None:
    plant.imported(generate(900, 1).table(), tmp_path, "demo")
    alone = plant.retrained()
    plant.imported(plant.shots(0, 1_200), tmp_path, "real")
    PromotionRequest.objects.update(
        state="withdrawn", closed_at=ModelVersion.objects.get().created_at
    )
    plant.retrained()

    first, second = Dataset.objects.filter(lineage__has_key="retraining").order_by("pk")
    assert alone["version"] == 1
    assert (first.is_synthetic, first.n_rows) == (True, 900)
    assert (second.is_synthetic, second.n_rows) == (False, 1_200)


def test_predictions_whose_outcome_is_known_are_learnt(
    champion: ModelVersion, shots: list[dict[str, float | None]]
) -> None:
    rows = [answered(champion, shot) for shot in shots[:40]]
    reports = [{"prediction_id": str(row.pk), "label": "defect"} for row in rows]
    feedback.record(reports, reported_by="test")

    plant.retrained()

    snapshot = Dataset.objects.get(lineage__has_key="retraining")
    assert snapshot.lineage["sources"][-1] == {"outcomes": 40, "model": MODEL_NAME}
    assert snapshot.n_rows == plant.ALL + 40


def test_only_the_latest_are_learnt(champion: ModelVersion) -> None:
    run = plant.start(force=True)
    wish = retraining.Wish.of({**run.parameters, "max_rows": 1_200})
    retraining.retrain(plant.context(run), wish)

    snapshot = Dataset.objects.get(lineage__has_key="retraining")
    assert np.array_equal(
        datasets.load(snapshot).matrix(), plant.shots(1_800, 3_000).matrix(), equal_nan=True
    )


def test_a_snapshot_that_cannot_be_learnt_from_fails_and_is_told(tmp_path: Path) -> None:
    table = plant.shots(0, 1_000)
    labels = table.labels()
    assert labels is not None
    plant.imported(table.take(np.flatnonzero(~labels)), tmp_path, "good only")

    with pytest.raises(InvalidInput):
        plant.retrained()
    assert Notice.objects.get().severity == "warning"


@pytest.mark.parametrize(
    "given", [{"fish": 1}, {"max_rows": 0}, {"max_rows": "many"}, {"min_new": True}, {"force": 1}]
)
def test_a_schedule_with_senseless_parameters_is_told_so(given: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(given))):
        retraining.Wish.of(given)


# --- Deaths -------------------------------------------------------------------------------------
def test_a_worker_that_dies_after_every_step_leaves_one_of_each(champion: ModelVersion) -> None:
    plant.allow_auto_apply()
    run = plant.start(reason="monthly")
    wish = retraining.Wish.of(run.parameters)
    steps: dict[str, Callable[[], bool]] = {
        "snapshot": lambda: n_left()["snapshots"] == 1,
        "version": lambda: n_left()["versions"] == 1,
        "request": lambda: n_left()["requests"] == 1,
        "live": lambda: selectors.champion(MODEL_NAME) != champion,
        "notice": lambda: n_left()["notices"] == 1,
    }

    for step, is_done in steps.items():
        assert not is_done(), step
        with pytest.raises(plant.Died):
            retraining.retrain(plant.Dying(plant.claimed(run), is_done), wish)
    said = retraining.retrain(plant.context(run), wish)

    assert said["outcome"] == "applied"
    assert n_left() == ONE_OF_EACH
    assert Artifact.objects.filter(
        pk__in=ModelVersion.objects.get(run=run).artifact_digests.values()
    )


# --- On drift -----------------------------------------------------------------------------------
def test_drift_starts_one_retraining_and_then_waits(champion: ModelVersion) -> None:
    evidence = {"psi": 0.4, "features": ["Coolant_Temp"]}
    run = dispatch.retrain_on_drift(MODEL_NAME, "Coolant drifts.", evidence=evidence, event="psi-7")
    again = dispatch.retrain_on_drift(MODEL_NAME, "Coolant drifts.")

    assert run is not None
    assert again is None
    assert (run.started_via, run.started_via_detail) == ("drift", "psi-7")
    assert run.parameters["evidence"] == evidence
    with override_settings(RETRAIN_COOLDOWN=timedelta(0)):
        assert dispatch.retrain_on_drift(MODEL_NAME, "Still.") is None  # the first is active
        Run.objects.filter(pk=run.pk).update(state="cancelled", finished_at=run.created_at)
        assert dispatch.retrain_on_drift(MODEL_NAME, "Still.") is not None
