"""Retention: frozen shots go with their versions, predictions stay unless a term is set."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from django.test import override_settings

from portal.core.models import AuditEntry
from portal.lib import clock
from portal.registry import selectors
from portal.registry import services as registry
from portal.registry.models import ModelVersion, PromotionRequest
from portal.runs import services as runs
from portal.runs.context import RunContext
from portal.runs.models import Artifact
from predictions import tasks
from predictions.models import Dataset, Explanation, Outcome, Prediction
from predictions.services import datasets, prediction_ids, retention
from predictions.services.models import MODEL_NAME
from tests.predictions import retraining as plant

pytestmark = pytest.mark.django_db

LATER = timedelta(days=181)
Go = Callable[[timedelta], None]


@pytest.fixture
def go(monkeypatch: pytest.MonkeyPatch) -> Go:
    """Give ``go(span)``: moves the clock on."""

    def move(span: timedelta) -> None:
        later = clock.now() + span
        monkeypatch.setattr(clock, "now", lambda: later)

    return move


def context() -> RunContext:
    return plant.context(runs.enqueue(kind=tasks.REMOVE_OLD, actor=plant.ACTOR))


def snapshots() -> list[Dataset]:
    return list(Dataset.objects.filter(lineage__has_key="retraining").order_by("pk"))


@pytest.fixture
def retrained(tmp_path: Path) -> ModelVersion:
    """Give a version that a retraining made and asked for."""
    plant.make_champion(plant.imported(plant.shots(0, plant.KNOWN), tmp_path, "first"))
    plant.imported(plant.shots(plant.KNOWN, plant.ALL), tmp_path, "later")
    plant.allow_auto_apply()
    said = plant.retrained()
    assert said["outcome"] == "applied", said
    return ModelVersion.objects.get(number=said["version"])


def test_the_snapshot_of_a_version_in_use_stays_however_old(
    retrained: ModelVersion, go: Go
) -> None:
    frozen = retrained.evaluation_set
    go(LATER)
    registry.remove_old_versions()

    removed = retention.remove_old(context())

    assert removed.n_snapshots == 0
    assert selectors.champion(MODEL_NAME) == retrained
    assert datasets.load(snapshots()[0]).n_rows == plant.ALL
    assert frozen is not None
    assert Artifact.objects.filter(pk=frozen.artifact_id).exists()  # evidence of the gate
    assert Dataset.objects.filter(lineage={}).count() == 2  # what people imported


def test_a_snapshot_goes_once_its_versions_are_gone(
    retrained: ModelVersion, go: Go, tmp_path: Path
) -> None:
    plant.imported(plant.shots(0, 1_000, seed=99), tmp_path, "more")
    plant.retrained(params=plant.WEAK, force=True)
    PromotionRequest.objects.filter(state="open").update(state="withdrawn", closed_at=clock.now())
    first, second = snapshots()
    young = retention.remove_old(context())
    go(LATER)
    early = retention.remove_old(context())  # its version still has its files
    registry.remove_old_versions()

    late = retention.remove_old(context())

    assert (young.n_snapshots, early.n_snapshots, late.n_snapshots) == (0, 0, 1)
    assert late.n_artifacts == 1
    assert snapshots() == [first]
    assert not Artifact.objects.filter(pk=second.artifact_id).exists()
    assert Artifact.objects.filter(pk=first.artifact_id).exists()
    entry = AuditEntry.objects.get(action="dataset.remove")
    assert entry.detail["fingerprint"] == second.fingerprint


# --- Predictions --------------------------------------------------------------------------------
def answered(version: ModelVersion, at: datetime) -> Prediction:
    prediction = Prediction.objects.create(
        id=UUID(bytes=prediction_ids.new_ids(1, at.timestamp())[0]),
        version=version,
        at=at,
        features={},
        probability=0.2,
        predicted_class="ok",
        confidence="high",
        latency_ms=1.0,
    )
    Outcome.objects.create(
        prediction=prediction, label="ok", observed_at=at, is_current=True, agrees=True
    )
    Explanation.objects.create(
        prediction=prediction, method="x", base_value=0, margin=0, probability=0.2, importance={}
    )
    return prediction


@pytest.fixture
def young_and_old(make_version: Callable[..., ModelVersion]) -> tuple[Prediction, list[Prediction]]:
    version = make_version()
    old = [answered(version, clock.now() - timedelta(days=100, seconds=n)) for n in range(5)]
    Outcome.objects.create(
        line="key:1",
        shot=7,
        shot_at=clock.now() - timedelta(days=100),
        label="ok",
        observed_at=clock.now(),
    )
    return answered(version, clock.now() - timedelta(days=80)), old


def test_predictions_are_kept_unless_a_term_is_set(
    young_and_old: tuple[Prediction, list[Prediction]], go: Go
) -> None:
    go(timedelta(days=10_000))

    assert retention.remove_old(context()).n_predictions == 0
    assert Prediction.objects.count() == 6


def test_with_a_term_old_predictions_go_with_all_that_hangs_on_them(
    young_and_old: tuple[Prediction, list[Prediction]], monkeypatch: pytest.MonkeyPatch
) -> None:
    young, _old = young_and_old
    monkeypatch.setattr(retention, "BATCH", 2)

    with override_settings(PREDICTION_RETENTION=timedelta(days=90)):
        removed = retention.remove_old(context())

    assert (removed.n_predictions, removed.n_outcomes, removed.n_explanations) == (5, 6, 5)
    assert list(Prediction.objects.all()) == [young]
    assert Outcome.objects.get().prediction == young
    assert Explanation.objects.get().prediction == young
