"""Campaigns over HTTP: started, followed, paused, resumed, cancelled, reported."""

import json
from collections.abc import Callable
from importlib import import_module
from typing import Any

import psutil
import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import Group
from django.test import Client

from portal.core import keys
from portal.core.actors import Actor
from portal.core.models import User
from portal.core.roles import OPERATOR, VIEWER
from portal.runs.tasks.execution import perform
from search.lab.models import Campaign
from search.models import Collection
from search.services import collections, documents
from search.services.documents import Incoming

PATH = "/api/v1/benchmarks/"
SMALL = {
    "scales": [1_000],
    "dimensions": [16],
    "search_types": ["vector"],
    "filters": [None],
    "engines": ["faiss-flat"],
    "clients": [1],
    "passes": 2,
    "tries": 1,
    "name": "small",
}
pytestmark = pytest.mark.django_db


def headers_of(*scopes: str, role: str = OPERATOR) -> dict[str, str]:
    if not Group.objects.filter(name=role, permissions__codename="view_campaign").exists():
        import_module("search.lab.migrations.0004_roles").give(apps, None)
    user, _created = User.objects.get_or_create(username=f"{role}-of-the-lab")
    user.groups.add(Group.objects.get(name=role))
    actor = Actor.system("test")
    _key, plain = keys.create_key(user=user, name="test", scopes=scopes, actor=actor)
    return {"Authorization": f"Bearer {plain}"}


class Caller:
    """A key at work."""

    def __init__(self, client: Client, *scopes: str, role: str = OPERATOR) -> None:
        self._client = client
        self._headers = headers_of(*scopes, role=role)

    def get(self, path: str = "") -> Any:
        return self._client.get(f"{PATH}{path}", headers=self._headers)

    def post(self, path: str = "", body: Any = None, **more: str) -> Any:
        return self._client.post(
            f"{PATH}{path}",
            json.dumps(body or {}),
            content_type="application/json",
            headers=self._headers | more,
        )


@pytest.fixture
def caller(client: Client) -> Caller:
    return Caller(client, "benchmark")


def state_of(number: str) -> str:
    return Campaign.objects.select_related("run").get(pk=number).state


@pytest.mark.timeout(400)
@pytest.mark.django_db(transaction=True)
def test_a_campaign_is_started_paused_resumed_and_reported(caller: Caller) -> None:
    answer = caller.post(body=SMALL)
    assert answer.status_code == 202, answer.content
    campaign = answer.json()
    number = campaign["id"]
    assert answer["Location"] == f"/api/v1/runs/{campaign['run']}/"
    assert (campaign["state"], campaign["n_cells"]["waiting"]) == ("queued", 1)
    assert campaign["remaining"]["seconds"] > 0
    assert [one["id"] for one in caller.get().json()["results"]] == [number]
    assert caller.get(f"{number}/results/").json()["results"][0]["figures"]["p50_ms"] is None
    assert caller.post(f"{number}/pause/").json()["state"] == "paused", "no worker had it"
    assert caller.post(f"{number}/pause/").json()["code"] == "not_running"
    assert caller.post(f"{number}/cancel/").json()["code"] == "not_running"
    answer = caller.post(f"{number}/resume/")
    assert answer.status_code == 202
    assert caller.post(f"{number}/resume/").json()["code"] == "running"
    perform(answer.json()["run"], worker="test")
    body = caller.get(f"{number}/").json()
    assert (body["state"], body["n_cells"]["measured"]) == ("complete", 1), body
    assert body["remaining"] is None
    assert {one["phase"] for one in body["phases"]} == {"corpus", "build"}
    cell = caller.get(f"{number}/results/?state=measured").json()["results"][0]
    figure = cell["figures"]["p50_ms"]
    assert 0 < figure["low"] <= figure["value"] <= figure["high"]
    assert cell["figures"]["recall_at_10"]["value"] > 0.99
    assert cell["facts"]["per_second"].keys() == {"1"}
    assert len(cell["facts"]["passes"]) == 2
    assert "faiss-flat 1,000 x 16" in caller.get(f"{number}/report/").content.decode()
    assert caller.get(f"{number}/report/?format=json").json()["campaign"] == number
    page = caller.get(f"{number}/report/?format=html&language=ko")
    assert page["Content-Type"].startswith("text/html")
    assert "faiss-flat" in page.content.decode()
    paper = caller.get(f"{number}/report/?format=pdf")
    assert paper.content.startswith(b"%PDF-")
    assert caller.post(f"{number}/resume/").json()["code"] == "complete"


@pytest.mark.integration
@pytest.mark.timeout(400)
@pytest.mark.django_db(transaction=True)
def test_cancel_and_pause_end_the_process_at_work(
    caller: Caller, celery_worker: Callable[..., Any], wait_for: Callable[..., Any]
) -> None:
    celery_worker("bench")
    number = caller.post(body=SMALL).json()["id"]
    wait_for(working, 120)
    assert caller.post(f"{number}/cancel/").status_code == 200
    wait_for(lambda: state_of(number) == "cancelled", 60)
    assert not working()
    assert caller.post(f"{number}/resume/").status_code == 202
    wait_for(working, 120)
    caller.post(f"{number}/pause/")
    wait_for(lambda: state_of(number) == "paused", 60)
    assert not working()


def working() -> bool:
    """Whether a process of this test's portal is at work on a cell."""
    for process in psutil.process_iter(["cmdline", "status"]):
        words = " ".join(process.info["cmdline"] or ())
        is_ours = "search.lab.services.worker" in words and str(settings.HOME) in words
        if is_ours and process.info["status"] != psutil.STATUS_ZOMBIE:
            return True
    return False


def test_the_same_key_of_idempotency_starts_one_campaign(caller: Caller) -> None:
    first = caller.post(body=SMALL, **{"Idempotency-Key": "once"}).json()
    again = caller.post(body=SMALL, **{"Idempotency-Key": "once"}).json()
    assert first["id"] == again["id"]
    other = caller.post(body=SMALL | {"seed": 2}, **{"Idempotency-Key": "once"})
    assert other.status_code == 409


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        ({"engines": ["sonar"]}, "engines", "'sonar': choose from duckdb-hnsw"),
        ({"scales": [5]}, "scales", "scales is 5: it must lie between 1000 and 1000000"),
        ({"dimensions": []}, "dimensions", "No dimensions is chosen"),
        ({"filters": [1.5]}, "filters", "must lie between 0.001 and 0.999"),
        ({"profile": "huge"}, "profile", "'huge': choose from quick, full"),
        ({"workers": 99, "parallel": True}, "workers", "workers is 99"),
        ({"workers": 2}, "workers", "ask for parallel builds too"),
        ({"parameters": {"faiss-flat": {"m": 1}}}, "parameters", "has no parameter 'm'"),
        ({"parameters": {"hnswlib": {"m": 8}}}, "parameters", "is not measured"),
        ({"clients": [0]}, "clients", "clients is 0"),
        ({"tries": 0}, "tries", "tries is 0"),
        ({"passes": 0}, "passes", "passes is 0"),
        ({"timed_builds": 99}, "timed_builds", "10"),
        ({"speed": 1}, "speed", "There is no such field"),
        ({"collection": "nowhere"}, "scales", "leave one of them out"),
    ],
)
def test_bad_input_names_field_value_and_rule(
    caller: Caller, change: dict[str, Any], field: str, said: str
) -> None:
    answer = caller.post(body=SMALL | change)
    assert answer.status_code == 422, answer.content
    problem = answer.json()["errors"][0]
    assert problem["field"].startswith(field)
    assert said in problem["message"]
    assert not Campaign.objects.exists()


def test_a_collection_that_is_small_or_missing_is_refused(caller: Caller, db: None) -> None:
    made = collections.create(name="few", title="Few", actor=Actor.system("test"))
    documents.upsert(
        collection=made,
        documents=[Incoming(external_id="one", text="기포 결함", title="one")],
        actor=Actor.system("test"),
    )
    body = {name: value for name, value in SMALL.items() if name != "scales"}
    answer = caller.post(body=body | {"collection": "few"})
    assert answer.status_code == 422
    assert "at least 1100 are needed" in answer.json()["errors"][0]["message"]
    assert caller.post(body=body | {"collection": "nowhere"}).status_code == 404
    assert Collection.objects.count() == 1


def test_a_report_names_its_formats_and_a_stranger_is_told_so(
    caller: Caller, client: Client
) -> None:
    number = caller.post(body=SMALL).json()["id"]
    answer = caller.get(f"{number}/report/?format=odt")
    assert answer.status_code == 422
    assert "“format” is “odt”" in answer.json()["errors"][0]["message"]
    answer = caller.get(f"{number}/report/?format=json&max_p95_ms=2.5&each_length=true")
    limits = answer.json()["analysis"]["limits"]
    assert (limits["min_recall"], limits["max_p95_ms"], limits["each_length"]) == (0.95, 2.5, True)
    for wrong, said in (("max_p95_ms=fast", "give a number"), ("min_recall=7", "min_recall is 7")):
        answer = caller.get(f"{number}/report/?{wrong}")
        assert answer.status_code == 422
        assert said in answer.content.decode()
    unknown = "00000000-0000-0000-0000-000000000000"
    assert caller.get(f"{unknown}/").status_code == 404
    assert caller.get(f"{unknown}/results/").status_code == 404


def test_who_only_looks_starts_nothing(client: Client) -> None:
    viewer = Caller(client, "benchmark", role=VIEWER)
    assert viewer.get().status_code == 200
    assert viewer.post(body=SMALL).json()["code"] == "permission_missing"
    reader = Caller(client, "read")
    assert reader.get().status_code == 200
    assert reader.post(body=SMALL).json()["code"] == "scope_missing"
    assert client.get(PATH).status_code == 401
