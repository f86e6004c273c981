"""Graphs tuned from a page and over the API, and given to a collection."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from portal.core import keys
from portal.core.actors import Actor
from portal.core.models import User
from portal.lib import clock
from portal.runs.models import Run, State
from search.lab import dispatch, tasks
from search.lab.admin import tunings
from search.lab.engine import graph_tuning
from search.lab.services.tuning import Wish
from search.models import Collection
from search.services import configuration

ACTOR = Actor.system("test")
WISH = Wish(engine="millwright", recall=0.95, n_trials=2, scale=1_000, dimension=16)
GIVEN = {
    "engine": "hnswlib",
    "recall": "0.9",
    "trials": "3",
    "scale": "1000",
    "dimension": "16",
    "seed": "0",
    "collection": "",
}
PERMISSIONS = ("view_campaign", "add_campaign", "view_run", "build_index", "change_collection")
pytestmark = pytest.mark.django_db


def engineer(*codenames: str) -> User:
    user = User.objects.create_user("engineer", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return user


def signed_in(*codenames: str) -> Client:
    client = Client(headers={"accept-language": "en"})
    client.force_login(engineer(*codenames))
    return client


def tuned(*, reached: bool = True, engine: str = "millwright", verdict: str = "faster") -> Run:
    """Return a run that ended with a graph."""
    run = dispatch.tune(wish=WISH, actor=ACTOR)
    figure = {"value": 0.97, "low": 0.96, "high": 0.98, "n": 100}
    names = ("recall", "p50_ms", "default_recall", "default_p50_ms", "ratio")
    parameters = {"exact_below": 0, "m": 12, "ef_construction": 90, "ef_search": 48, "code_bits": 4}
    sampled = {"m": 12, "ef_construction": 90, "code_bits": 4}
    facts = {"ef_search": 48, "recall": figure, "build_s": 1.5, "size_bytes": 1_000_000}
    result = {
        **WISH.to_dict(),
        "parameters": parameters,
        "options": graph_tuning.options(engine, parameters),
        "duel": dict.fromkeys(names, figure) | {"verdict": verdict},
        "reached": reached,
        "build_s": 1.5,
        "size_bytes": 1_000_000,
        "default_build_s": 2.0,
        "default_size_bytes": 2_000_000,
        "trials": [
            {"parameters": sampled, "p50_ms": 0.3, "facts": facts},
            {"parameters": sampled | {"m": 4}, "p50_ms": None, "facts": facts},
            {"parameters": sampled | {"m": 8}, "p50_ms": None, "facts": {"error": "no <memory>"}},
        ],
    }
    Run.objects.filter(pk=run.pk).update(
        state=State.SUCCEEDED, result=result, finished_at=clock.now()
    )
    return Run.objects.get(pk=run.pk)


def test_the_form_offers_each_engine_that_can_be_tuned() -> None:
    assert set(tunings.TUNED) == set(graph_tuning.SPACES)


def test_the_form_starts_a_run_and_names_what_is_wrong() -> None:
    client = signed_in(*PERMISSIONS)
    tune = reverse("admin:lab_campaign_tune")
    assert "No graph was tuned yet." in client.get(tune).text
    odd = client.post(tune, GIVEN | {"recall": "1.5"})
    assert odd.status_code == 422
    assert "less than or equal to 0.999" in odd.text
    many = client.post(tune, GIVEN | {"trials": "9999"})
    assert many.status_code == 422
    assert "trials is 9999" in many.text
    for seed in ("9" * 21, str(1 << 63)):
        large = client.post(tune, GIVEN | {"seed": seed})
        assert large.status_code == 422
        assert f"seed is {seed}: it must lie between 0 and" in large.text
    answer = client.post(tune, GIVEN)
    run = Run.objects.get(kind=tasks.TUNE)
    assert answer["Location"] == reverse("admin:runs_run_change", args=[run.pk])
    assert run.parameters["n_trials"] == 3
    assert "Tune hnswlib on 1,000 x 16" in client.get(tune).text


def test_the_page_of_the_run_shows_the_graph_its_proof_and_its_trials() -> None:
    run = tuned()
    client = signed_in(*PERMISSIONS)
    text = client.get(reverse("admin:runs_run_change", args=[run.pk])).text
    for said in (
        "It surely reaches a recall@10 of 0.950",
        "ef_search=48",
        "Give it to a collection",
        "no &lt;memory&gt;",
        "recall not reached",
        "latency, found over defaults",
    ):
        assert said in text, said
    assert "no reason to leave them" not in text
    slower = tuned(verdict="slower")
    text = client.get(reverse("admin:runs_run_change", args=[slower.pk])).text
    assert "no reason to leave them" in text


def test_a_graph_that_is_not_sure_is_given_to_nobody(collection: Collection) -> None:
    run = tuned(reached=False)
    client = signed_in(*PERMISSIONS)
    text = client.get(reverse("admin:runs_run_change", args=[run.pk])).text
    assert "does not surely reach" in text
    assert "Give it to a collection" not in text
    apply = f"{reverse('admin:lab_campaign_apply')}?run={run.pk}"
    answer = client.post(apply, {"collection": "defects"})
    assert answer.status_code == 409
    assert "Nothing was applied" in answer.text
    collection.refresh_from_db()
    assert "build" not in collection.options


def test_a_press_builds_the_next_index_with_the_graph(collection: Collection) -> None:
    run = tuned()
    client = signed_in(*PERMISSIONS)
    apply = f"{reverse('admin:lab_campaign_apply')}?run={run.pk}"
    assert "second person has approved" in " ".join(client.get(apply).text.split())
    answer = client.post(apply, {"collection": "defects"})
    build = Run.objects.get(parameters__collection="defects")
    assert answer["Location"] == reverse("admin:runs_run_change", args=[build.pk])
    collection.refresh_from_db()
    assert configuration.parse(collection.options).build.hnsw_m == 12
    assert client.get(f"{reverse('admin:lab_campaign_apply')}?run=odd").status_code == 404


def test_who_may_not_build_gives_no_graph_to_a_collection() -> None:
    run = tuned()
    client = signed_in("view_campaign", "view_run")
    assert client.get(reverse("admin:lab_campaign_tune")).status_code == 403
    apply = f"{reverse('admin:lab_campaign_apply')}?run={run.pk}"
    assert client.post(apply, {"collection": "x"}).status_code == 403
    text = client.get(reverse("admin:runs_run_change", args=[run.pk])).text
    assert "Whoever may build indexes" in text


class Caller:
    """A key at work."""

    def __init__(self, client: Client, *scopes: str) -> None:
        user = User.objects.filter(username="engineer").first() or engineer(*PERMISSIONS)
        _key, plain = keys.create_key(user=user, name="test", scopes=scopes, actor=ACTOR)
        self._client = client
        self._headers = {"Authorization": f"Bearer {plain}", "accept-language": "en"}

    def post(self, path: str, body: Any) -> Any:
        return self._client.post(
            f"/api/v1/graph-tunings/{path}",
            json.dumps(body),
            content_type="application/json",
            headers=self._headers,
        )


def test_the_api_tunes_and_builds(client: Client, collection: Collection) -> None:
    caller = Caller(client, "benchmark", "search")
    started = caller.post("", {"engine": "hnswlib", "scale": 1_000, "trials": 2})
    assert started.status_code == 202, started.content
    assert started["Location"] == f"/api/v1/runs/{started.json()['id']}/"
    early = caller.post(f"{started.json()['id']}/apply/", {"collection": "defects"})
    assert early.json()["code"] == "not_tuned"
    number = tuned().pk
    assert caller.post(f"{number}/apply/", {"collection": "none"}).status_code == 404
    built = caller.post(f"{number}/apply/", {"collection": "defects"})
    assert built.status_code == 202, built.content
    other = tuned(engine="hnswlib").pk
    assert (
        caller.post(f"{other}/apply/", {"collection": "defects"}).json()["code"] == "other_engine"
    )
    only = Caller(client, "benchmark")
    refused = only.post(f"{number}/apply/", {"collection": "defects"})
    assert refused.json()["code"] == "scope_missing"


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        ({"engine": "sonar"}, "engine", "'sonar': choose from hnswlib"),
        ({"recall": 2}, "recall", "recall is 2"),
        ({"trials": 0}, "trials", "trials is 0"),
        ({"scale": 7}, "scale", "1000"),
        ({"dimension": "many"}, "dimension", "integer"),
        ({"speed": 1}, "speed", "There is no such field"),
    ],
)
def test_a_wrong_wish_is_refused_by_name(
    client: Client, change: dict[str, Any], field: str, said: str
) -> None:
    answer = Caller(client, "benchmark").post("", change)
    assert answer.status_code == 422, answer.content
    (problem, *_more) = answer.json()["errors"]
    assert problem["field"] == field
    assert said in problem["message"]
    assert not Run.objects.filter(kind=tasks.TUNE).exists()
