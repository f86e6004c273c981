"""Studies over HTTP: asked for, looked at, refused by name."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from portal.core import keys
from portal.core.actors import Actor
from portal.core.api import throttles
from portal.lib import clock
from tests.tuning.people import caller
from tuning.models import Study, Trial
from tuning.services import studies

pytestmark = pytest.mark.django_db

ROOT = "/api/v1/studies/"


@pytest.fixture(autouse=True)
def _fresh_limits() -> Iterator[None]:
    throttles.principal_limiter.cache_clear()
    keys._cache.clear()
    yield
    keys._cache.clear()


def post(client: Client, address: str, body: Any = None, **headers: str) -> Any:
    return client.post(
        address, json.dumps(body or {}), content_type="application/json", headers=headers
    )


def test_a_study_is_accepted_and_its_run_named() -> None:
    client = caller("operator", "tune", "read")
    body = {"target": "toy", "objective": "throughput", "budget": "5m", "space": {"share": {}}}
    answer = post(client, ROOT, body, **{"idempotency-key": "one"})
    assert answer.status_code == 202, answer.json()
    run = answer.json()
    assert answer.headers["Location"] == f"/api/v1/runs/{run['id']}/"
    assert run["kind"] == "tuning.study"
    again = post(client, ROOT, body, **{"idempotency-key": "one"})
    assert again.json()["study"] == run["study"]
    assert Study.objects.count() == 1
    shown = client.get(f"{ROOT}{run['study']}/").json()
    assert shown["state"] == "queued"
    assert shown["objective"]["weights"] == {
        "throughput": 1.0,
        "latency": 0.0,
        "accuracy": 0.0,
        "scaling": 0.0,
    }
    assert client.get(f"{ROOT}?target=toy").json()["results"][0]["id"] == run["study"]
    assert client.get(f"{ROOT}{run['study']}/trials/").json()["results"] == []


def test_trials_are_listed_with_their_samples() -> None:
    client = caller("viewer", "read")
    study = studies.create(target="toy", actor=Actor.system("test"))
    Trial.objects.create(
        study=study,
        number=0,
        state=Trial.State.FAILED,
        reason="The engine refuses these options: no",
        finished_at=clock.now(),
    )
    rows = client.get(f"{ROOT}{study.pk}/trials/?state=failed").json()["results"]
    assert [row["reason"] for row in rows] == ["The engine refuses these options: no"]
    assert rows[0]["samples_url"] is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "target"),
        ({"target": "sonar"}, "no target"),
        ({"target": "toy", "color": 1}, "no such field"),
        ({"target": "toy", "budget": "soon"}, "no duration"),
        ({"target": "toy", "budget": [1]}, "budget"),
        ({"target": "toy", "objective": 3}, "objective"),
        ({"target": "toy", "objective": {"guards": 3}}, "guards"),
        ({"target": "toy", "objective": {"metrics": 3}}, "metrics"),
        ({"target": "toy", "objective": {"weights": {"latency": "much"}}}, "much"),
        ({"target": "toy", "objective": {"mode": ["pareto"]}}, "mode"),
        ({"target": "toy", "space": {"share": {"low": "x"}}}, "share"),
        ({"target": "toy", "space": {"mode": {"choices": [3]}}}, "mode"),
        ({"target": "toy", "current": {"share": True}}, "share"),
        ({"target": "toy", "warm_from": str(uuid.uuid4())}, "warm_from"),
    ],
)
def test_what_is_wrong_is_named_and_never_a_fault(body: dict[str, Any], said: str) -> None:
    answer = post(caller("operator", "tune"), ROOT, body)
    assert answer.status_code == 422, answer.content
    assert said in answer.content.decode()


def test_scope_and_role_are_asked_for() -> None:
    assert post(caller("operator", "read"), ROOT, {"target": "toy"}).status_code == 403
    assert post(caller("viewer", "tune"), ROOT, {"target": "toy"}).status_code == 403
    assert Client().get(ROOT).status_code == 401


def test_resting_studies_refuse_pause_and_unknown_ones_are_not_found() -> None:
    client = caller("operator", "tune", "read")
    study = studies.create(target="toy", actor=Actor.system("test"))
    for verb in ("pause", "cancel"):
        answer = post(client, f"{ROOT}{study.pk}/{verb}/")
        assert (answer.status_code, answer.json()["code"]) == (409, "not_running")
    answer = post(client, f"{ROOT}{study.pk}/resume/")
    assert answer.status_code == 202
    assert post(client, f"{ROOT}{uuid.uuid4()}/pause/").status_code == 404
    assert client.get(f"{ROOT}{uuid.uuid4()}/trials/").status_code == 404


def test_what_can_be_tuned_is_listed() -> None:
    names = [one["name"] for one in caller("viewer", "read").get("/api/v1/tuning-targets/").json()]
    assert "sham" not in names
