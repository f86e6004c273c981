import json
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from portal.core.roles import VIEWER
from portal.runs import artifacts
from portal.runs.models import Run
from portal.runs.tasks.execution import perform
from search.models import Collection
from search.services import batches
from search.services.batches import Priority
from tests.search.api.conftest import Ask, Key

PATH = "/api/v1/batch/search"
pytestmark = pytest.mark.django_db

QUERIES = ["기포", {"id": "mine", "query": "flash", "top_k": 1}, "용탕"]


def started(ask: Ask, **change: Any) -> dict[str, Any]:
    answer = ask(PATH, {"collection": "defects", "queries": QUERIES} | change)
    assert answer.status_code == 202, answer.content
    assert answer["Location"] == f"/api/v1/runs/{answer.json()['job_id']}/"
    body: dict[str, Any] = answer.json()
    return body


@pytest.fixture
def look(client: Client, make_key: Key) -> Any:
    headers = make_key("search", role=VIEWER)
    return lambda path: client.get(path, headers=headers)


def lines(answer: Any) -> list[dict[str, Any]]:
    assert answer["Content-Type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.getvalue().splitlines()]


@pytest.mark.django_db(transaction=True)
def test_a_batch_is_answered_line_by_line(ask: Ask, look: Any, indexed: Collection) -> None:
    job = started(ask, priority="high")
    assert (job["status"], job["priority"], job["n_queries"], job["n_done"]) == (
        "queued",
        "high",
        3,
        0,
    )
    perform(job["job_id"], worker="test")
    status = look(f"/api/v1/batch/status/{job['job_id']}").json()
    assert (status["status"], status["n_done"], status["n_failed"]) == ("succeeded", 3, 0)
    rows = lines(look(status["results_url"]))
    assert [(row["index"], row["id"], row["status"]) for row in rows] == [
        (0, None, "ok"),
        (1, "mine", "ok"),
        (2, None, "ok"),
    ]
    assert rows[0]["hits"][0]["document"]["external_id"] == "blow-hole"
    assert len(rows[1]["hits"]) == 1
    assert [row["index"] for row in lines(look(f"{status['results_url']}?from=2"))] == [2]


def test_parts_can_be_read_while_the_rest_is_to_come_and_are_not_asked_again(
    ask: Ask, look: Any, indexed: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "PART_S", 0.0)
    job = started(ask)
    asked: list[int] = []
    with monkeypatch.context() as death:
        death.setattr(batches, "_line", _noting(asked, dies_at=2))
        with pytest.raises(RuntimeError):
            work(job)
    status = look(f"/api/v1/batch/status/{job['job_id']}").json()
    assert (status["n_done"], len(lines(look(status["results_url"])))) == (2, 2)
    asked.clear()
    monkeypatch.setattr(batches, "_line", _noting(asked))
    assert (work(job)["n_queries"], asked) == (3, [2])
    assert len(lines(look(status["results_url"]))) == 3


def _noting(asked: list[int], dies_at: int = -1) -> Any:
    line = batches._line

    def noting(number: int, row: Any) -> Any:
        if number == dies_at:
            raise RuntimeError("the worker dies")
        asked.append(number)
        return line(number, row)

    return noting


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Do the work of a batch without a lease, which this test's transaction would hide."""
    return batches.ask(_Context(Run.objects.get(pk=job["job_id"])))  # type: ignore[arg-type]  # all it uses


class _Context:
    """An attempt of a run, without a lease to prove."""

    def __init__(self, run: Run) -> None:
        self.run_id, self.parameters = run.pk, run.parameters

    def check(self) -> None: ...

    def progress(self, *_: Any, **__: Any) -> None: ...

    def save_artifact(self, name: str, data: bytes, media_type: str) -> None:
        run = Run.objects.get(pk=self.run_id)
        run.run_artifacts.create(name=name, artifact=artifacts.save(data, media_type))


def test_a_query_that_fails_has_its_error_and_the_others_their_answer(
    ask: Ask, look: Any, indexed: Collection
) -> None:
    job = started(ask, queries=["기포", {"query": "x", "filters": {"nosuchfield": 1}}])
    assert work(job) == {"n_queries": 2, "n_failed": 1}
    status = look(f"/api/v1/batch/status/{job['job_id']}").json()
    assert status["n_failed"] == 1
    rows = lines(look(status["results_url"]))
    assert [row["status"] for row in rows] == ["ok", "failed"]
    assert rows[1]["error"]["code"] == "unknown_field"


def test_a_waiting_batch_is_cancelled_at_once(
    ask: Ask, client: Client, make_key: Key, indexed: Collection
) -> None:
    headers = make_key("search", role=VIEWER)
    body = json.dumps({"collection": "defects", "queries": ["기포"]})
    job = client.post(PATH, body, content_type="application/json", headers=headers).json()
    path = f"/api/v1/batch/cancel/{job['job_id']}"
    answer = client.post(path, content_type="application/json", headers=headers)
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    again = client.post(path, content_type="application/json", headers=headers)
    assert (again.status_code, again.json()["code"]) == (409, "run_over")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"queries": []}, "queries"),
        ({"queries": "기포"}, "queries"),
        ({"queries": ["x"] * 10_001}, "queries"),
        ({"queries": ["기포", ""]}, "queries[1].query"),
        ({"queries": ["기포", 7]}, "queries[1]"),
        ({"queries": [{"query": "기포", "limit": 3}]}, "queries[0].limit"),
        ({"queries": [{"query": "기포", "id": 7}]}, "queries[0].id"),
        ({"priority": "urgent"}, "priority"),
        ({"priority": ["high"]}, "priority"),
        ({"mode": "magic"}, "queries[0].mode"),
        ({"speed": 1}, "speed"),
    ],
)
def test_a_wrong_batch_is_refused_whole(
    ask: Ask, indexed: Collection, change: dict[str, Any], field: str
) -> None:
    answer = ask(PATH, {"collection": "defects", "queries": QUERIES} | change)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert not Run.objects.exists()


def test_an_unknown_collection_or_job_is_not_found(
    ask: Ask, look: Any, indexed: Collection
) -> None:
    unknown = ask(PATH, {"collection": "nothing", "queries": ["x"]})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "collection_not_found")
    nobody = "00000000-0000-7000-8000-000000000000"
    assert look(f"/api/v1/batch/status/{nobody}").status_code == 404
    assert look(f"/api/v1/batch/results/{nobody}?to=3").status_code == 422


def test_every_query_counts_for_the_quota(
    ask: Ask, indexed: Collection, settings: Settings
) -> None:
    settings.QUERIES_PER_MINUTE = 2
    answer = ask(PATH, {"collection": "defects", "queries": QUERIES})
    assert (answer.status_code, answer.json()["code"]) == (429, "quota_spent")


def test_the_same_batch_under_one_idempotency_key_is_one_job(ask: Ask, indexed: Collection) -> None:
    body = {"collection": "defects", "queries": QUERIES}
    first, second = (ask(PATH, body, **{"Idempotency-Key": "k-1"}) for _number in range(2))
    assert first.json()["job_id"] == second.json()["job_id"]
    assert Run.objects.count() == 1


def test_priorities_are_those_of_messages() -> None:
    assert Priority.HIGH.message < Priority.NORMAL.message < Priority.LOW.message
