"""A retraining of the routing model: what it learns, when it is skipped, how it ends."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from portal.core.models import Notice, User
from portal.registry import services as registry
from portal.registry.models import GateEvaluation, ModelVersion
from portal.runs.models import Run, Schedule
from portal.runs.services import schedules
from predictions import dispatch
from predictions.engine.problems import EngineError
from predictions.models import Dataset
from predictions.services import retraining
from predictions.services.answering import Caller
from predictions.services.routing import answering, datasets, feedback, serving
from predictions.services.routing.answering import Wanted
from predictions.services.routing.models import MODEL_NAME
from tests.predictions import retraining as plant
from tests.predictions.routing.conftest import ACTOR, SMALL

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]  # two of them train

STEPS = [
    {"operation": "SAW", "work_center": "S-1", "setup_minutes": 5, "run_minutes": 0.5},
    {"operation": "INSPECT", "work_center": "Q-1", "setup_minutes": 0, "run_minutes": 1},
]


def decided(items: list[dict[str, Any]], n: int) -> None:
    """Let a planner correct the routings of some items."""
    caller = Caller("user:1", "r")
    for item in items[:n]:
        told = answering.answer(serving.routing, [item], Wanted(), caller).answers[0]
        feedback.decide(told["prediction_id"], {"routing": STEPS}, reported_by="user:1")


def retrained(**wish: Any) -> dict[str, Any]:
    return plant.retrained(**{"model_name": MODEL_NAME, "params": SMALL, **wish})


def test_imported_and_decided_routings_make_a_version_that_the_gate_weighs(
    champion: ModelVersion, dataset: Dataset, items: list[dict[str, Any]]
) -> None:
    decided(items, 3)

    said = retrained(reason="a new press", force=True)

    assert said["outcome"] in {"proposed", "inconclusive", "failed"}, said
    version = ModelVersion.objects.exclude(pk=champion.pk).get()
    snapshot = Dataset.objects.get(lineage__retraining=MODEL_NAME)
    assert version.dataset_fingerprint == snapshot.fingerprint
    assert snapshot.lineage["reason"] == "a new press"
    assert snapshot.lineage["sources"][0]["dataset"] == dataset.pk
    assert snapshot.lineage["sources"][1]["outcomes"] == 3
    primary = datasets.load(snapshot)[1].primary()
    assert primary[items[0]["item_code"]].operations == ("SAW", "INSPECT")
    assert GateEvaluation.objects.get().candidate == version
    assert Notice.objects.filter(kind="retraining.finished").count() == 1


def test_a_retraining_that_died_goes_on_with_what_it_made(
    champion: ModelVersion, dataset: Dataset, items: list[dict[str, Any]]
) -> None:
    decided(items, 1)
    run = plant.start(model_name=MODEL_NAME, params=SMALL, force=True)
    wish = retraining.Wish.of(run.parameters)

    with pytest.raises(plant.Died):
        retraining.retrain(
            plant.Dying(plant.claimed(run), ModelVersion.objects.filter(run=run).exists), wish
        )
    retraining.retrain(plant.context(run), wish)

    assert ModelVersion.objects.filter(run=run).count() == 1
    assert Dataset.objects.filter(lineage__retraining=MODEL_NAME).count() == 1
    assert GateEvaluation.objects.count() == 1


def test_without_a_routing_there_is_nothing_to_learn() -> None:
    said = retrained()

    assert (said["outcome"], said["code"]) == ("skipped", "nothing_labelled")


def learnt(champion: ModelVersion, fingerprint: str) -> ModelVersion:
    """Register a version as if it had been trained on a data set."""
    return registry.register_version(
        model=champion.model,
        run=None,
        artifacts={one.name: one.artifact for one in champion.version_artifacts.all()},
        evaluation_set=champion.evaluation_set,
        dataset_fingerprint=fingerprint,
        lineage={},
        signature=champion.signature,
        evaluation={},
        settings={},
        card="",
        is_synthetic=True,
    )


def test_what_was_learnt_already_is_not_learnt_again(
    champion: ModelVersion, dataset: Dataset
) -> None:
    learnt(champion, dataset.fingerprint)

    said = retrained()

    assert (said["outcome"], said["code"]) == ("skipped", "unchanged")
    assert not Dataset.objects.filter(lineage__has_key="retraining").exists()


def test_too_few_decisions_are_waited_for(
    champion: ModelVersion, dataset: Dataset, items: list[dict[str, Any]]
) -> None:
    learnt(champion, dataset.fingerprint)
    decided(items, 2)

    said = retrained()

    assert (said["outcome"], said["code"]) == ("skipped", "too_little_new")
    assert "Only 2 routings" in said["reason"]


def test_parameters_of_the_other_family_are_refused(db: None) -> None:
    with pytest.raises(Exception, match="n_estimators") as caught:
        dispatch.retrain(actor=ACTOR, model_name=MODEL_NAME, params={"n_estimators": 5})

    assert not isinstance(caught.value, EngineError)
    assert not Run.objects.exists()


def test_drift_retrains_a_routing_model_once(champion: ModelVersion) -> None:
    first = dispatch.retrain_on_drift(MODEL_NAME, "new materials")
    second = dispatch.retrain_on_drift(MODEL_NAME, "new materials")

    assert first is not None
    assert second is None


def test_it_is_scheduled_and_can_be_asked_for_on_its_page(champion: ModelVersion) -> None:
    user = User.objects.create(username="planner", is_staff=True)
    user.groups.add(Group.objects.get(name="operator"))
    client = Client(headers={"accept-language": "en"})
    client.force_login(user)

    model = client.get(reverse("admin:registry_registeredmodel_change", args=[champion.model_id]))
    page = client.get(reverse("admin:predictions_dataset_retrain"), {"model": MODEL_NAME})

    assert f"model={MODEL_NAME}" in model.text
    assert "what planners decided since" in page.text
    schedules.ensure_declared()
    assert Schedule.objects.get(name="retrain-routing-model").parameters == {"model": MODEL_NAME}
