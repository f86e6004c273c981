"""A training by a real worker: what it leaves behind, and what an interruption does not."""

import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.test import Client

from portal.core.actors import Actor
from portal.core.errors import InvalidInput
from portal.core.models import User
from portal.registry import selectors
from portal.registry import services as registry
from portal.registry.models import EvaluationSet, ModelVersion
from portal.runs import artifacts
from portal.runs import services as runs
from portal.runs.management import following
from portal.runs.models import Run, RunEvent, State
from predictions import dispatch
from predictions.engine import serving, tables
from predictions.engine.features import FEATURE_NAMES
from predictions.engine.generator import generate
from predictions.engine.quality_model import from_bytes
from predictions.engine.tables import ShotTable
from predictions.models import Dataset
from predictions.services import datasets, demo, explainers, holdout
from predictions.services.explainers import EXPLAINER_FORM, HISTORY
from predictions.services.models import LEARNT, MODEL_NAME
from predictions.services.serving import SERVING_FORM
from tests.predictions.conftest import SMALL
from tests.waiting import wait_for
from tests.worker import Worker

ACTOR = Actor.system("test")
ADDRESS = "/api/v1/training/"

Start = Callable[..., Worker]
Key = Callable[..., dict[str, str]]


def save(table: ShotTable, tmp_path: Any, name: str = "Shots") -> Dataset:
    path = tmp_path / f"{name}.parquet"
    tables.write_parquet(table, path)
    return datasets.import_dataset(source=path, name=name, actor=ACTOR)


@pytest.fixture
def dataset(db: None, tmp_path: Any) -> Dataset:
    return save(generate(1_200, 6).table(), tmp_path)


def without_columns(table: ShotTable, keep: Callable[[str], bool]) -> ShotTable:
    names = [name for name in table.names if keep(name)]
    return ShotTable(table.data.select(names), table.source)


def finished(run: Run, timeout: float = 90) -> Run:
    wait_for(lambda: Run.objects.get(pk=run.pk).is_terminal, timeout)
    run.refresh_from_db()
    return run


# --- What is held out ---------------------------------------------------------------------------
def test_the_same_shot_is_held_out_whatever_surrounds_it() -> None:
    table = generate(1_000, 8).table()
    held = holdout.is_held_out(table.matrix())
    order = np.random.default_rng(1).permutation(1_000)

    shuffled = holdout.is_held_out(table.matrix()[order][:300])

    assert (shuffled == held[order][:300]).all()
    assert 0.15 < held.mean() < 0.25


def test_copies_are_held_out_together_and_no_shot_is_on_both_sides() -> None:
    table = generate(2_000, 9, copied_share=0.3).table()

    learnt, held = holdout.divide(table)

    def values(part: ShotTable) -> set[bytes]:
        return {row.tobytes() for row in np.delete(part.matrix(), 1, axis=1)}

    assert learnt.n_rows + held.n_rows == 2_000
    assert not values(learnt) & values(held)


# --- What is refused before it starts -----------------------------------------------------------
def test_a_data_set_without_labels_starts_no_run(db: None, tmp_path: Any) -> None:
    table = generate(300, 6).table()
    plain = without_columns(table, lambda name: name in FEATURE_NAMES)

    with pytest.raises(InvalidInput, match="has no labels"):
        dispatch.train(dataset=save(plain, tmp_path), actor=ACTOR)

    assert not Run.objects.exists()


def test_every_wrong_parameter_is_named(dataset: Dataset) -> None:
    with pytest.raises(InvalidInput) as caught:
        dispatch.train(
            dataset=dataset, actor=ACTOR, params={"n_estimators": 0, "max_depth": "x", "fish": 1}
        )

    assert {problem.field for problem in caught.value.problems} == {
        "n_estimators",
        "max_depth",
        "fish",
    }


# --- HTTP ---------------------------------------------------------------------------------------
def post(client: Client, body: Any, headers: dict[str, str]) -> Any:
    return client.post(ADDRESS, json.dumps(body), content_type="application/json", headers=headers)


def test_a_training_is_accepted_with_the_address_of_its_run(
    client: Client, dataset: Dataset, make_key: Key
) -> None:
    headers = make_key("train") | {"Idempotency-Key": "one"}
    body = {"model": MODEL_NAME, "dataset": dataset.pk, "params": SMALL, "seed": 5}

    answer, again = post(client, body, headers), post(client, body, headers)

    run = Run.objects.get()
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/api/v1/runs/{run.pk}/"
    assert answer.json()["id"] == str(run.pk)
    assert again.content == answer.content
    assert (run.seed, run.started_via, run.dataset_fingerprint) == (5, "key", dataset.fingerprint)


@pytest.mark.parametrize(
    ("changes", "status"),
    [({"dataset": 0}, 422), ({"model": "fish"}, 404), ({"params": {"fish": 1}}, 422)],
)
def test_a_training_that_cannot_be_is_refused(
    client: Client, dataset: Dataset, make_key: Key, changes: dict[str, Any], status: int
) -> None:
    body = {"model": MODEL_NAME, "dataset": dataset.pk} | changes

    assert post(client, body, make_key("train")).status_code == status
    assert not Run.objects.exists()


def test_who_may_train(client: Client, dataset: Dataset, make_key: Key) -> None:
    body = {"model": MODEL_NAME, "dataset": dataset.pk}

    assert post(client, body, {}).status_code == 401
    assert post(client, body, make_key("read", "predict")).status_code == 403
    for role, status in (("viewer", 403), ("approver", 403), ("operator", 202)):
        user = User.objects.create(username=role)
        user.groups.add(Group.objects.get(name=role))
        client.force_login(user)
        assert post(client, body, {}).status_code == status


# --- A real worker ------------------------------------------------------------------------------
@pytest.fixture
def worker(celery_worker: Start) -> Worker:
    return celery_worker("train")


def test_a_training_leaves_one_version_with_all_its_evidence(
    worker: Worker, dataset: Dataset
) -> None:
    run = finished(dispatch.train(dataset=dataset, actor=ACTOR, params=SMALL, seed=5))

    assert (run.state, run.error_message) == (State.SUCCEEDED, "")
    version = ModelVersion.objects.get()
    assert run.result["version"] == version.number == 1
    assert set(version.artifact_digests) == {
        SERVING_FORM,
        "training.skops",
        "baseline.json",
        "report.json",
        EXPLAINER_FORM,
        HISTORY,
        LEARNT,
    }
    assert version.is_synthetic
    assert version.lineage["dataset"]["fingerprint"] == dataset.fingerprint
    assert version.evaluation["held_out"]["metrics"]["roc_auc"]["value"] > 0.5
    features = version.evaluation["global_importance"]["features"]
    assert {one["feature"] for one in features} == set(FEATURE_NAMES)
    assert all(0 <= one["low"] <= one["value"] <= one["high"] for one in features)
    assert version.settings["parity"]["max_abs_error"] <= 1e-5
    assert RunEvent.objects.filter(run=run, type=RunEvent.Type.METRIC).exists()

    frozen = EvaluationSet.objects.get()
    with artifacts.open_verified(frozen.artifact_id) as path:
        held = tables.read_table(path, require_label=True)
    assert holdout.is_held_out(held.matrix()).all()
    assert held.n_rows == frozen.n_rows

    kept = from_bytes(registry.read_artifact(version, "training.skops"))
    serving_form = serving.load(registry.read_artifact(version, SERVING_FORM))
    rows = held.matrix()[:50]
    assert kept.predict(rows) == pytest.approx(serving_form.predict(rows)[0], abs=1e-5)
    ready = explainers.ready(version)
    explained = [ready.explainer.explain(row).probability for row in rows]
    assert explained == pytest.approx(serving_form.predict(rows)[0].tolist(), abs=1e-5)
    assert len(explainers.past_shots(version).shots.labels) <= dataset.n_rows

    second = finished(dispatch.train(dataset=dataset, actor=ACTOR, params=SMALL, seed=5))
    again = ModelVersion.objects.get(run=second)
    assert again.number == 2
    assert again.artifact_digests[SERVING_FORM] == version.artifact_digests[SERVING_FORM]
    assert again.evaluation_set == version.evaluation_set


def test_data_that_cannot_be_learnt_from_fail_the_run_with_the_reason(
    worker: Worker, transactional_db: None, tmp_path: Any
) -> None:
    table = generate(1_000, 6).table()
    few = save(table.take(np.arange(60)), tmp_path, "Few")
    labels = table.labels()
    assert labels is not None
    good_only = np.flatnonzero(~labels)
    one_class = save(table.take(good_only), tmp_path, "Good only")

    short = finished(dispatch.train(dataset=few, actor=ACTOR, params=SMALL))
    single = finished(dispatch.train(dataset=one_class, actor=ACTOR, params=SMALL))

    assert (short.state, single.state) == (State.FAILED, State.FAILED)
    assert short.error_code == single.error_code == "not_trainable"
    # The worker speaks the product's language; the numbers of the rule are in every language.
    assert "100" in short.error_message
    assert "20" in single.error_message


@pytest.mark.integration
def test_a_cancelled_training_stops_within_seconds_and_leaves_no_version(
    worker: Worker, dataset: Dataset
) -> None:
    run = dispatch.train(dataset=dataset, actor=ACTOR, params=SMALL | {"n_estimators": 1_000})
    wait_for(lambda: Run.objects.get(pk=run.pk).progress_fraction > 0.01, 60)

    runs.cancel(run_id=run.pk, actor=ACTOR)

    assert finished(run, 10).state == State.CANCELLED
    assert not ModelVersion.objects.exists()


@pytest.mark.integration
def test_a_training_whose_worker_is_killed_starts_again_and_leaves_one_version(
    celery_worker: Start,
    dataset: Dataset,
    child_environment: dict[str, str],
) -> None:
    child_environment |= {
        "MILLWRIGHT_RUN_LEASE_SECONDS": "3",
        "MILLWRIGHT_RUN_HEARTBEAT_SECONDS": "1",
    }
    first = celery_worker("train")
    run = dispatch.train(dataset=dataset, actor=ACTOR, params=SMALL | {"n_estimators": 300}, seed=5)
    wait_for(lambda: Run.objects.get(pk=run.pk).progress_fraction > 0.1, 60)

    first.kill()
    celery_worker("train")

    assert finished(run).state == State.SUCCEEDED
    assert run.attempt == 2
    assert ModelVersion.objects.get().run == run


# --- Command line -------------------------------------------------------------------------------
def say(*words: str, **options: Any) -> str:
    output = io.StringIO()
    call_command(*words, stdout=output, **options)
    return output.getvalue()


def test_the_command_waits_and_prints_the_evaluation(worker: Worker, dataset: Dataset) -> None:
    User.objects.create(username="kim")

    said = say("train", MODEL_NAME, dataset="latest", params=json.dumps(SMALL), seed=5, user="kim")

    assert "Grouped by identical rows" in said
    assert "ROC AUC" in said
    assert "Held out for the gate" in said
    assert f"Version 1 of {MODEL_NAME} is registered" in said
    run = Run.objects.get()
    assert (run.started_via, run.started_by and run.started_by.username) == ("command", "kim")


def test_the_command_says_what_is_wrong(dataset: Dataset) -> None:
    with pytest.raises(CommandError, match="There is no data set “nothing”"):
        say("train", MODEL_NAME, dataset="nothing")
    with pytest.raises(CommandError, match="--params is no JSON"):
        say("train", MODEL_NAME, dataset="latest", params="{")
    with pytest.raises(CommandError, match="fish is not a training parameter"):
        say("train", MODEL_NAME, dataset="latest", params='{"fish": 1}')
    for seed in (-4, 2**31):
        with pytest.raises(CommandError, match=f"^The seed is {seed}; give .* 2147483647.$"):
            say("train", MODEL_NAME, dataset="latest", seed=seed)


def test_without_a_worker_the_command_says_how_to_start_one(
    transactional_db: None, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "PATIENCE_S", 0.0)

    with pytest.raises(CommandError, match="script/server"):
        say("train", MODEL_NAME, dataset=str(dataset.pk))


def test_the_demonstration_makes_a_champion_once(
    worker: Worker, transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "PARAMS", SMALL)

    first = say("seed_demo", shots=1_000)
    again = say("seed_demo", shots=1_000)

    champion = selectors.champion(MODEL_NAME)
    assert champion is not None
    assert f"{champion} is champion" in first
    assert "nothing to do" in again
    assert Dataset.objects.get().is_synthetic
    assert Run.objects.count() == 1


def test_an_interrupted_demonstration_goes_on_with_its_training(
    worker: Worker, transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = demo.ensure_dataset(n_shots=1_000)
    run = dispatch.train(dataset=dataset, actor=demo.ACTOR, params=SMALL)

    say("seed_demo", shots=1_000)

    assert Run.objects.get().pk == run.pk
    assert selectors.champion(MODEL_NAME) is not None
