"""A training of the routing model by a real worker, and what it leaves behind."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from django.test import Client

from portal.core.errors import InvalidInput
from portal.registry import selectors
from portal.registry import services as registry
from portal.registry.models import EvaluationSet, ModelVersion
from portal.runs import services as runs
from portal.runs.models import Run, State
from predictions import dispatch
from predictions.engine.baseline import DriftBaseline
from predictions.engine.routing.generator import Generated
from predictions.engine.routing.tables import ItemTable, RoutingTable
from predictions.models import Dataset
from predictions.services.routing import datasets, holdout, serving
from predictions.services.routing.models import MODEL_NAME
from tests.predictions.routing.conftest import ACTOR, SMALL
from tests.waiting import wait_for
from tests.worker import Worker

ADDRESS = "/api/v1/training/"
Start = Callable[..., Worker]
Key = Callable[..., dict[str, str]]


def finished(run: Run, timeout: float = 400) -> Run:
    wait_for(lambda: Run.objects.get(pk=run.pk).is_terminal, timeout)
    run.refresh_from_db()
    return run


def start(dataset: Dataset, **changes: Any) -> Run:
    given: dict[str, Any] = {"params": SMALL, "model_name": MODEL_NAME, "seed": 5}
    return dispatch.train(dataset=dataset, actor=ACTOR, **(given | changes))


# --- What is refused before it starts -------------------------------------------------------------
def test_every_wrong_parameter_is_named(dataset: Dataset) -> None:
    with pytest.raises(InvalidInput) as caught:
        start(dataset, params={"n_trees": 0, "learning_rate": "x", "fish": 1})

    fields = {problem.field for problem in caught.value.problems}
    assert fields == {"n_trees", "learning_rate", "fish"}


def test_a_model_learns_from_its_own_kind_of_data_alone(dataset: Dataset) -> None:
    with pytest.raises(InvalidInput, match="learns from “diecasting-quality”"):
        start(dataset, model_name="diecasting-quality", params={})

    assert not Run.objects.exists()


def test_a_training_is_accepted_over_http(client: Client, dataset: Dataset, make_key: Key) -> None:
    body = {"model": MODEL_NAME, "dataset": dataset.pk, "params": SMALL, "seed": 5}

    answer = client.post(
        ADDRESS, json.dumps(body), content_type="application/json", headers=make_key("train")
    )

    run = Run.objects.get()
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/api/v1/runs/{run.pk}/"
    assert (run.kind, run.queue) == ("predictions.train_routing", "train")
    assert run.parameters["params"]["n_trees"] == SMALL["n_trees"]


# --- A real worker --------------------------------------------------------------------------------
@pytest.fixture
def worker(celery_worker: Start) -> Worker:
    return celery_worker("train")


def test_a_training_leaves_one_version_with_all_its_evidence(
    worker: Worker, dataset: Dataset
) -> None:
    run = finished(start(dataset))

    assert (run.state, run.error_message) == (State.SUCCEEDED, "")
    version = ModelVersion.objects.get()
    assert set(version.artifact_digests) == {serving.SERVING_FORM, "report.json", "baseline.json"}
    assert version.is_synthetic
    assert version.lineage["dataset"]["fingerprint"] == dataset.fingerprint
    assert len(version.signature["features"]) == 38
    assert "Trained on generated items" in version.card

    report = version.evaluation
    nearest = next(one for one in report["baselines"] if one["name"] == "nearest")
    assert report["metrics"]["f1"]["value"] > nearest["metrics"]["f1"]["value"]
    assert {"sequence_vote", "most_frequent"} <= {one["name"] for one in report["baselines"]}

    frozen = EvaluationSet.objects.get()
    judged, routings = datasets.load_artifact(frozen.artifact_id)
    assert holdout.held_out(judged).all()
    assert set(routings.primary()) == set(judged.codes())
    model = serving.load(version).model
    assert not set(model.known.codes) & set(judged.codes())

    baseline = DriftBaseline.from_dict(json.loads(registry.read_artifact(version, "baseline.json")))
    assert baseline.n_rows == len(model.known.codes)
    assert sum(baseline.classes.values()) == judged.n_rows

    second = finished(start(dataset))
    again = ModelVersion.objects.get(run=second)
    assert again.artifact_digests == version.artifact_digests
    assert again.evaluation_set == version.evaluation_set


def test_data_that_cannot_be_learnt_from_fail_the_run_with_the_reason(
    worker: Worker, transactional_db: None, generated: Generated
) -> None:
    few = generated.items.take(np.arange(60))
    dataset = datasets.keep_tables(few, generated.routings.of(few.codes()), name="Few", actor=ACTOR)

    run = finished(start(dataset))

    assert (run.state, run.error_code) == (State.FAILED, "not_trainable")
    assert "100" in run.error_message


@pytest.mark.integration
def test_a_cancelled_training_leaves_no_version(worker: Worker, dataset: Dataset) -> None:
    run = start(dataset, params=SMALL | {"n_trees": 500})
    wait_for(lambda: Run.objects.get(pk=run.pk).progress_fraction > 0.01, 60)

    runs.cancel(run_id=run.pk, actor=ACTOR)

    assert finished(run, 30).state == State.CANCELLED
    assert not ModelVersion.objects.exists()


def test_the_frozen_items_are_mostly_the_same_of_every_data_set(generated: Generated) -> None:
    plant: tuple[ItemTable, RoutingTable] = generated.items, generated.routings
    held = plant[0].take(holdout.divide(plant[0]).held)
    part = held.take(np.arange(0, held.n_rows, 2))

    chosen = set(holdout.first(held, 100).codes())
    of_part = set(holdout.first(part, 50).codes())

    assert len(chosen) == 100
    assert chosen & set(part.codes()) <= of_part


def test_the_demonstration_makes_a_champion_once(worker: Worker, transactional_db: None) -> None:
    run = dispatch.demonstrate_routing(actor=ACTOR, n_items=250, params=SMALL)
    assert run is not None
    assert dispatch.demonstrate_routing(actor=ACTOR) is None

    done = finished(run)

    assert (done.state, done.error_message) == (State.SUCCEEDED, "")
    champion = selectors.champion(MODEL_NAME)
    assert champion is not None
    assert champion.number == done.result["version"]
    assert serving.load(champion).model.propose({"item_name": "PIN"}).alternatives
    assert dispatch.demonstrate_routing(actor=ACTOR) is None
