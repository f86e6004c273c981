"""The ways to a retraining: HTTP, commands, console, schedule; and a real worker, killed."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from portal.core.actors import Actor
from portal.core.models import User
from portal.registry import selectors
from portal.registry.models import ModelVersion, PromotionRequest
from portal.runs import kinds
from portal.runs.models import Run, Schedule, State
from portal.runs.services import schedules
from predictions import tasks
from predictions.models import Dataset
from predictions.services.models import MODEL_NAME, overlap_key, quality_model
from tests.predictions import retraining as plant
from tests.waiting import wait_for
from tests.worker import Worker

ADDRESS = f"/api/v1/models/{MODEL_NAME}/retrain/"

Key = Callable[..., dict[str, str]]


def post(client: Client, body: Any, headers: dict[str, str], address: str = ADDRESS) -> Any:
    return client.post(address, json.dumps(body), content_type="application/json", headers=headers)


# --- HTTP ---------------------------------------------------------------------------------------
def test_a_retraining_is_accepted_with_the_address_of_its_run(
    client: Client, make_key: Key
) -> None:
    headers = make_key("train") | {"Idempotency-Key": "one"}
    body = {"reason": "new molds", "params": {"n_estimators": 50}, "force": True}

    answer, again = post(client, body, headers), post(client, body, headers)

    run = Run.objects.get()
    assert answer.status_code == 202, answer.content
    assert answer.headers["Location"] == f"/api/v1/runs/{run.pk}/"
    assert again.content == answer.content
    assert (run.kind, run.queue, run.started_via) == (tasks.RETRAIN, "train", "key")
    assert run.overlap_key == overlap_key(MODEL_NAME)
    assert run.parameters["params"] == {"n_estimators": 50}


def test_nothing_needs_to_be_said(client: Client, make_key: Key) -> None:
    assert post(client, {}, make_key("train")).status_code == 202


@pytest.mark.parametrize(
    ("body", "model", "status"),
    [
        ({"params": {"fish": 1}}, MODEL_NAME, 422),
        ({"fish": 1}, MODEL_NAME, 422),
        ({"force": "perhaps"}, MODEL_NAME, 422),
        ({"reason": "x" * 1_001}, MODEL_NAME, 422),
        ({}, "fish", 404),
    ],
)
def test_a_retraining_that_cannot_be_is_refused(
    client: Client, make_key: Key, body: dict[str, Any], model: str, status: int
) -> None:
    answer = post(client, body, make_key("train"), f"/api/v1/models/{model}/retrain/")

    assert answer.status_code == status, answer.content
    assert not Run.objects.exists()


def test_who_may_retrain(client: Client, make_key: Key) -> None:
    assert post(client, {}, {}).status_code == 401
    assert post(client, {}, make_key("read", "predict")).status_code == 403
    for role, status in (("viewer", 403), ("approver", 403), ("operator", 202)):
        user = User.objects.create(username=role)
        user.groups.add(Group.objects.get(name=role))
        client.force_login(user)
        assert post(client, {}, {}).status_code == status


# --- Console ------------------------------------------------------------------------------------
def test_an_operator_retrains_from_the_page_of_the_model(client: Client, db: None) -> None:
    user = User.objects.create(username="kim", is_staff=True)
    user.groups.add(Group.objects.get(name="operator"))
    client.force_login(user)
    model = quality_model()
    page = client.get(reverse("admin:registry_registeredmodel_change", args=[model.pk]))
    asked = f"{reverse('admin:predictions_dataset_retrain')}?model={MODEL_NAME}"

    shown = client.get(asked)
    answer = client.post(asked, {"reason": "new molds", "force": "on"})

    run = Run.objects.get()
    assert asked in page.content.decode()
    assert shown.status_code == 200
    assert answer.headers["Location"] == reverse("admin:runs_run_change", args=[run.pk])
    assert (run.started_by, run.parameters["reason"]) == (user, "new molds")
    assert run.parameters["force"] is True


def test_a_viewer_is_offered_no_retraining(client: Client, db: None) -> None:
    user = User.objects.create(username="lee", is_staff=True)
    user.groups.add(Group.objects.get(name="viewer"))
    client.force_login(user)
    model = quality_model()
    page = client.get(reverse("admin:registry_registeredmodel_change", args=[model.pk]))

    assert "/retrain/" not in page.content.decode()
    assert client.post(
        reverse("admin:predictions_dataset_retrain"), {"reason": "x"}
    ).status_code in {
        302,
        403,
    }
    assert not Run.objects.exists()


# --- Schedule -----------------------------------------------------------------------------------
def test_it_is_scheduled_for_the_first_of_every_month_in_the_plants_time(db: None) -> None:
    schedules.ensure_declared()

    schedule = Schedule.objects.get(name="retrain-quality-model")
    assert schedule.definition == "cron 0 2 1 * * Asia/Seoul"
    assert schedule.periodic_task.enabled
    assert (schedule.missed_policy, schedule.overlap_key) == ("once", overlap_key(MODEL_NAME))
    assert kinds.get(tasks.RETRAIN).queue == "train"
    assert Schedule.objects.get(kind=tasks.REMOVE_OLD).periodic_task.enabled


def test_what_an_operator_changed_of_the_schedule_stays(db: None) -> None:
    schedules.ensure_declared()
    user = User.objects.create(username="kim")
    user.groups.add(Group.objects.get(name="operator"))
    schedule = Schedule.objects.get(name="retrain-quality-model")
    change = schedules.Change(crontab="30 4 * * 0", is_enabled=False)
    actor = Actor.of_user(user, via="person")
    schedules.change(schedule_id=schedule.pk, actor=actor, change=change)

    schedules.ensure_declared()

    schedule.refresh_from_db()
    assert schedule.definition == "cron 30 4 * * 0 Asia/Seoul"
    assert not schedule.periodic_task.enabled


# --- A real worker ------------------------------------------------------------------------------
def finished(run: Run, timeout: float = 90) -> Run:
    wait_for(lambda: Run.objects.get(pk=run.pk).is_terminal, timeout)
    run.refresh_from_db()
    return run


def test_two_at_once_work_one_after_the_other(
    celery_worker: Callable[..., Worker], tmp_path: Path
) -> None:
    plant.imported(plant.shots(0, 1_500), tmp_path, "shots")
    runs = [plant.start(), plant.start()]
    celery_worker("train")

    first, second = (finished(run) for run in runs)

    outcomes = {first.result["outcome"], second.result["outcome"]}
    assert (first.state, second.state) == (State.SUCCEEDED, State.SUCCEEDED)
    assert outcomes == {"proposed", "skipped"}
    assert ModelVersion.objects.count() == PromotionRequest.objects.count() == 1
    (_start, end), (start, _end) = sorted(
        (str(one.started_at), str(one.finished_at)) for one in (first, second)
    )
    assert end <= start


def test_the_command_says_what_became_of_it(
    celery_worker: Callable[..., Worker], transactional_db: None
) -> None:
    celery_worker("train")
    User.objects.create(username="kim")
    output = io.StringIO()

    call_command("retrain", MODEL_NAME, user="kim", reason="trial", stdout=output)

    run = Run.objects.get()
    assert run.result["reason"] in " ".join(output.getvalue().split())
    assert (run.result["code"], run.started_via) == ("nothing_labelled", "command")


def test_the_command_says_what_is_wrong(db: None) -> None:
    with pytest.raises(CommandError, match="fish is not a training parameter"):
        call_command("retrain", MODEL_NAME, params='{"fish": 1}')
    with pytest.raises(CommandError, match="There is no quality model “fish”"):
        call_command("retrain", "fish")


@pytest.mark.integration
@pytest.mark.timeout(240)
def test_a_worker_killed_twice_leaves_one_of_each(
    celery_worker: Callable[..., Worker],
    child_environment: dict[str, str],
    tmp_path: Path,
) -> None:
    child_environment |= {
        "MILLWRIGHT_RUN_LEASE_SECONDS": "3",
        "MILLWRIGHT_RUN_HEARTBEAT_SECONDS": "1",
        "MILLWRIGHT_RUN_MAX_ATTEMPTS": "9",
    }
    plant.imported(plant.shots(0, 2_000), tmp_path, "shots")
    run = plant.start(params={**plant.BETTER, "n_estimators": 400})
    Run.objects.filter(pk=run.pk).update(max_attempts=9)
    moments: list[Callable[[], bool]] = [
        lambda: Dataset.objects.filter(lineage__has_key="retraining").exists(),
        ModelVersion.objects.exists,
    ]

    for is_time in moments:
        worker = celery_worker("train")
        wait_for(is_time, 60, pause=0.01)
        worker.kill()
    celery_worker("train")

    assert finished(run).state == State.SUCCEEDED
    assert run.result["outcome"] == "proposed"
    assert Dataset.objects.filter(lineage__has_key="retraining").count() == 1
    assert ModelVersion.objects.get().run == run
    assert PromotionRequest.objects.get().candidate == ModelVersion.objects.get()
    assert selectors.champion(MODEL_NAME) is None
