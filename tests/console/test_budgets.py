"""The number of queries of a list does not grow with its rows."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from portal.core import alerts, audit, keys
from portal.core.actors import Actor
from portal.core.models import User
from portal.lib import clock
from portal.registry.models import Alias, AliasMove
from portal.runs import services
from portal.runs.models import Run, State
from predictions.models import Explanation, Outcome, Prediction
from tests.console import world
from tuning.services import instances

SYSTEM = Actor.system("test")


def people(n: int) -> list[User]:
    made = [User.objects.create_user(f"person-{uuid.uuid4()}") for _i in range(n)]
    for user in made:
        user.groups.set(Group.objects.all())
    return made


def runs(n: int) -> None:
    for user in people(n):
        Run.objects.create(kind="portal.selftest", queue="train", started_by=user)
        Run.objects.create(
            kind="portal.selftest",
            queue="train",
            started_by=user,
            state=State.ERRORED,
            finished_at=clock.now(),
        )


def ablations(n: int) -> None:
    for user in people(n):
        Run.objects.create(kind="predictions.ablation", queue="train", started_by=user)


def datasets(n: int) -> None:
    kept = world.artifact()
    for user in people(n):
        world.dataset(kept, name=f"shots {user}", created_by=user)


def models(n: int) -> None:
    kept = world.artifact()
    for i in range(n):
        version = world.version(world.model(f"model-{uuid.uuid4()}"), kept, number=i + 1)
        AliasMove.objects.create(
            model=version.model,
            alias=Alias.CHAMPION,
            kind=AliasMove.Kind.BOOTSTRAP,
            to_version=version,
            actor="test",
            reason="First start.",
        )


def promotions(n: int) -> None:
    kept = world.artifact()
    for user in people(n):
        version = world.version(world.model(f"model-{uuid.uuid4()}"), kept, number=1)
        world.promotion(version, kept, user)


def predictions(n: int) -> None:
    version = world.version(world.model(f"model-{uuid.uuid4()}"), world.artifact(), number=1)
    for _i in range(n):
        Prediction.objects.create(
            id=uuid.uuid4(),
            version=version,
            at=clock.now(),
            features={"Velocity_1": 0.1},
            probability=0.2,
            predicted_class="ok",
            confidence="high",
            latency_ms=1.0,
        )


def outcomes(n: int) -> None:
    predictions(n)
    for row in Prediction.objects.all():
        Outcome.objects.create(
            prediction=row,
            label="defect",
            observed_at=clock.now(),
            is_current=not row.outcomes.exists(),
            agrees=False,
            surprise=0.8,
        )
        Explanation.objects.get_or_create(
            prediction=row,
            defaults={"base_value": 0.0, "margin": 0.0, "probability": 0.5, "importance": {}},
        )


def engines(n: int) -> None:
    for _i in range(n):
        about = instances.About(host="db1", folder="/data/db")
        samples = [{"at": clock.now(), "rate": 1.0}]
        instances.take(name=f"engine-{uuid.uuid4()}", about=about, samples=samples)


def schedules(n: int) -> None:
    for _i in range(n):
        services.ensure_schedule(
            name=f"s-{uuid.uuid4()}", kind="portal.selftest", crontab="1 1 * * *"
        )


def alert_rows(n: int) -> None:
    for _i in range(n):
        alerts.raise_alert(f"alert-{uuid.uuid4()}", "warning", "Something.")


def entries(n: int) -> None:
    for _i in range(n):
        audit.record(SYSTEM, "test.entry", "something")


def api_keys(n: int) -> None:
    for user in people(n):
        keys.create_key(user=user, name="k", scopes=["read"], actor=SYSTEM)


def requests_and_all(n: int) -> None:
    for make in (runs, datasets, models, promotions, alert_rows):
        make(n)


PAGES: dict[str, Callable[[int], Any]] = {
    "index": requests_and_all,
    "runs_run_changelist": runs,
    "runs_schedule_changelist": schedules,
    "predictions_ablation_changelist": ablations,
    "predictions_dataset_changelist": datasets,
    "predictions_prediction_changelist": predictions,
    "predictions_outcome_changelist": outcomes,
    "predictions_outcome_live": outcomes,
    "predictions_explanation_changelist": outcomes,
    "tuning_instance_changelist": engines,
    "registry_registeredmodel_changelist": models,
    "registry_modelversion_changelist": models,
    "registry_promotionrequest_changelist": promotions,
    "core_alert_changelist": alert_rows,
    "core_auditentry_changelist": entries,
    "core_apikey_changelist": api_keys,
    "core_user_changelist": people,
    "auth_group_changelist": people,
}


def n_queries(client: Client, address: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as seen:
        assert client.get(address).status_code == 200
    return len(seen)


@pytest.mark.parametrize("name", sorted(PAGES))
def test_more_rows_take_no_more_queries(name: str, signed_in: Callable[..., Client]) -> None:
    client = signed_in("administrator", is_superuser=True)
    address = reverse(f"admin:{name}")
    PAGES[name](2)
    n_queries(client, address)
    few = n_queries(client, address)
    PAGES[name](4)
    assert n_queries(client, address) <= few
