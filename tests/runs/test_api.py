"""Runs, artifacts and schedules over HTTP."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from portal.core import keys
from portal.core.actors import Actor
from portal.core.models import Alert, AuditEntry, User
from portal.runs import artifacts, leases, services
from portal.runs.models import Run, RunArtifact, Schedule, State
from portal.runs.services import schedules

pytestmark = pytest.mark.django_db

SYSTEM = Actor.system("tests")
CallerOf = Callable[..., Client]


@pytest.fixture
def person() -> Callable[..., User]:
    """Give ``person("operator")``: an account in some roles."""

    def make(*roles: str) -> User:
        user = User.objects.create_user(f"{'-'.join(roles) or 'nobody'}-{uuid4().hex[:6]}")
        user.groups.set(Group.objects.filter(name__in=roles))
        return user

    return make


@pytest.fixture
def key(person: Callable[..., User]) -> CallerOf:
    """Give ``key("read", role="operator")``: a caller with a key of these scopes."""

    def make(*scopes: str, role: str = "administrator") -> Client:
        command = Actor.system("tests", via="command")
        _row, plain = keys.create_key(user=person(role), name="test", scopes=scopes, actor=command)
        return Client(raise_request_exception=False, headers={"authorization": f"Bearer {plain}"})

    return make


@pytest.fixture
def signed_in(person: Callable[..., User]) -> CallerOf:
    """Give ``signed_in("operator")``: a person's browser."""

    def make(*roles: str) -> Client:
        client = Client(raise_request_exception=False)
        client.force_login(person(*roles))
        return client

    return make


def post(
    caller: Client,
    url: str,
    body: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> Any:
    return caller.post(url, body or {}, content_type="application/json", headers=headers)


def ended(run: Run, state: State = State.FAILED) -> Run:
    claimed = leases.claim(run.pk, worker="tests:1")
    assert claimed is not None
    leases.settle(claimed, leases.Outcome(state, error_code="no", error_message="No."))
    return claimed


def url_of(run: Run, *parts: str) -> str:
    return "/".join([f"/api/v1/runs/{run.pk}", *parts, ""])


def test_a_run_is_told_in_full(key: CallerOf, enqueue: Any) -> None:
    run = enqueue(steps=2)
    body = key("read").get(url_of(run)).json()
    assert (body["id"], body["state"], body["kind"]) == (str(run.pk), "queued", "portal.selftest")
    assert body["parameters"] == {"steps": 2}
    assert body["progress"]["fraction"] == 0.0
    assert body["error"] is None
    assert body["events_url"] == url_of(run, "events")


def test_lists_narrow_and_page(key: CallerOf, enqueue: Any) -> None:
    runs = [enqueue() for _ in range(3)]
    ended(runs[0])
    caller = key("read")
    queued = caller.get("/api/v1/runs/?state=queued&limit=1").json()
    assert [row["id"] for row in queued["results"]] == [str(runs[2].pk)]
    rest = caller.get(queued["next"]).json()
    assert [row["id"] for row in rest["results"]] == [str(runs[1].pk)]
    both = caller.get("/api/v1/runs/?state=queued&state=failed&kind=portal.selftest")
    assert len(both.json()["results"]) == 3


@pytest.mark.parametrize(
    "query", ["state=asleep", "queue=slow", "since=yesterday", "colour=red", "limit=0"]
)
def test_a_wrong_filter_is_refused(key: CallerOf, query: str) -> None:
    answer = key("read").get(f"/api/v1/runs/?{query}")
    assert (answer.status_code, answer["Content-Type"]) == (422, "application/problem+json")


def test_a_list_costs_the_same_for_many_runs(
    key: CallerOf, enqueue: Any, django_assert_max_num_queries: Any
) -> None:
    for _ in range(10):
        enqueue()
    caller = key("read")
    caller.get("/api/v1/runs/")
    with django_assert_max_num_queries(3):
        assert len(caller.get("/api/v1/runs/").json()["results"]) == 10


def test_a_queued_run_is_cancelled_at_once(key: CallerOf, enqueue: Any) -> None:
    run = enqueue()
    answer = post(key("predict"), url_of(run, "cancel"), {"reason": "wrong file"})
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    assert answer.json()["error"] == {"code": "cancelled", "message": "wrong file"}
    assert AuditEntry.objects.filter(action="run.cancel", outcome="done").exists()


def test_a_run_that_is_over_is_not_cancelled(key: CallerOf, enqueue: Any) -> None:
    run = ended(enqueue())
    answer = post(key("predict"), url_of(run, "cancel"))
    assert (answer.status_code, answer.json()["code"]) == (409, "run_over")


def test_a_retry_is_a_new_run_with_the_same_parameters(key: CallerOf, enqueue: Any) -> None:
    run = ended(enqueue(steps=7))
    answer = post(key("predict"), url_of(run, "retry"))
    body = answer.json()
    assert (answer.status_code, answer["Location"]) == (202, f"/api/v1/runs/{body['id']}/")
    assert (body["retry_of"], body["parameters"], body["seed"]) == (
        str(run.pk),
        {"steps": 7},
        run.seed,
    )


def test_a_selftest_is_started_on_a_queue(key: CallerOf) -> None:
    body = {"queue": "bench", "steps": 2, "seconds": 0}
    answer = post(key("admin"), "/api/v1/runs/selftest/", body)
    assert (answer.status_code, answer.json()["queue"]) == (202, "bench")
    assert post(key("read"), "/api/v1/runs/selftest/", body).status_code == 403
    slow = post(key("admin"), "/api/v1/runs/selftest/", {"seconds": 1e9})
    assert (slow.status_code, slow.json()["errors"][0]["field"]) == (422, "seconds")


def test_a_repeated_retry_with_one_key_answers_the_first(key: CallerOf, enqueue: Any) -> None:
    run = ended(enqueue())
    caller = key("predict")
    first, second = (
        post(caller, url_of(run, "retry"), headers={"Idempotency-Key": "again"}) for _ in range(2)
    )
    assert first.json()["id"] == second.json()["id"]
    assert Run.objects.count() == 2


def test_one_run_has_one_active_retry(key: CallerOf, enqueue: Any) -> None:
    run = ended(enqueue())
    caller = key("predict")
    assert post(caller, url_of(run, "retry")).status_code == 202
    answer = post(caller, url_of(run, "retry"))
    assert (answer.status_code, answer.json()["code"]) == (409, "retry_active")


@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_who_may_stop_and_repeat_runs(
    key: CallerOf, signed_in: CallerOf, enqueue: Any, verb: str
) -> None:
    target = url_of(enqueue() if verb == "cancel" else ended(enqueue()), verb)
    assert post(Client(), target).status_code == 401
    assert post(key("read"), target).json()["code"] == "scope_missing"
    assert post(key("predict", role="viewer"), target).json()["code"] == "permission_missing"
    assert post(signed_in("viewer"), target).status_code == 403
    assert AuditEntry.objects.filter(action=f"run.{verb}", outcome="refused").exists()
    assert post(signed_in("operator"), target).status_code in {200, 202}


def test_a_dead_letter_is_dismissed_once_and_with_a_reason(
    key: CallerOf, signed_in: CallerOf, enqueue: Any
) -> None:
    run = enqueue()
    outcome = leases.Outcome(State.ERRORED, error_message="bug")
    leases.change(Run.objects.filter(pk=run.pk), run.pk, outcome)
    target, reason = url_of(run, "dismiss"), {"reason": "A test of the queue."}
    assert post(key("read"), target, reason).status_code == 403
    assert post(signed_in("viewer"), target, reason).json()["code"] == "permission_missing"
    caller = key("predict")
    assert post(caller, target).status_code == 422
    assert post(caller, target, {"reason": " "}).status_code == 422
    assert post(caller, target, reason).json()["state"] == "errored"
    assert not Alert.objects.open().exists()
    assert AuditEntry.objects.get(action="run.dismiss", outcome="done").reason == reason["reason"]
    assert post(caller, target, reason).json()["code"] == "no_dead_letter"


def test_whoever_started_a_run_may_stop_it(person: Callable[..., User]) -> None:
    user = person("viewer")
    actor = Actor.of_user(user, via="person")
    run = services.enqueue(kind="portal.selftest", actor=actor)
    assert services.cancel(run_id=run.pk, actor=actor).state == State.CANCELLED


def test_unknown_runs_are_not_found(key: CallerOf) -> None:
    for rest in ("", "events/", "artifacts/"):
        answer = key("read").get(f"/api/v1/runs/{uuid4()}/{rest}")
        assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")


def test_a_run_lists_what_it_produced(key: CallerOf, enqueue: Any) -> None:
    run = enqueue()
    kept = artifacts.save(b"{}", "application/json")
    RunArtifact.objects.create(run=run, artifact=kept, name="report.json")
    (row,) = key("read").get(url_of(run, "artifacts")).json()["results"]
    assert row == {
        "name": "report.json",
        "sha256": kept.pk,
        "size_bytes": 2,
        "media_type": "application/json",
        "url": f"/api/v1/artifacts/{kept.pk}/",
    }


def test_an_artifact_is_fetched_as_a_harmless_file(key: CallerOf) -> None:
    kept = artifacts.save(b"<script>alert(1)</script>", "text/html")
    address = f"/api/v1/artifacts/{kept.pk}/"
    answer: Any = key("read").get(address, headers={"accept": "text/html"})
    assert b"".join(answer.streaming_content) == b"<script>alert(1)</script>"
    assert answer["Content-Disposition"] == f'attachment; filename="{kept.pk[:12]}.html"'
    assert (answer["X-Content-Type-Options"], answer["ETag"]) == ("nosniff", f'"{kept.pk}"')
    assert "sandbox" in answer["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("name", "given"),
    [("model v1.onnx", "model v1.onnx"), ("../../etc/passwd", None), ('a"b', None), ("", None)],
)
def test_a_file_is_called_what_the_caller_wants_if_harmless(
    key: CallerOf, name: str, given: str | None
) -> None:
    kept = artifacts.save(b"{}", "application/json")
    answer = key("read").get(f"/api/v1/artifacts/{kept.pk}/", {"name": name})
    assert f'filename="{given or kept.pk[:12] + ".json"}"' in answer["Content-Disposition"]
    answer.close()


def test_an_artifact_already_fetched_is_not_sent_again(key: CallerOf) -> None:
    kept = artifacts.save(b"{}", "application/json")
    headers = {"if-none-match": f'"{kept.pk}"'}
    assert key("read").get(f"/api/v1/artifacts/{kept.pk}/", headers=headers).status_code == 304
    assert key("read").get(f"/api/v1/artifacts/{'0' * 64}/").status_code == 404


@pytest.fixture
def schedule() -> Schedule:
    return schedules.ensure_schedule(name="nightly", kind="portal.selftest", crontab="0 3 * * *")


def test_a_schedule_is_listed_and_changed(key: CallerOf, schedule: Schedule) -> None:
    caller = key("read", "admin")
    (row,) = caller.get("/api/v1/schedules/").json()["results"]
    assert (row["name"], row["timing"]) == ("nightly", "cron 0 3 * * * Asia/Seoul")
    answer = caller.patch(
        f"/api/v1/schedules/{schedule.pk}/",
        {"is_enabled": False, "crontab": "30 4 * * 1", "zone": "Europe/Berlin"},
        content_type="application/json",
    )
    assert answer.json()["timing"] == "cron 30 4 * * 1 Europe/Berlin"
    assert answer.json()["is_enabled"] is False


@pytest.mark.parametrize(
    "change",
    [
        {"crontab": "61 * * * *"},
        {"crontab": "* * * *"},
        {"crontab": "0 0 30 2 *"},
        {"crontab": "* * * * *", "zone": "Mars/Base"},
        {"crontab": "* * * * *", "interval_s": 5},
        {"interval_s": 0},
        {"interval_s": 10**18},
        {"zone": "Asia"},
        {"missed_policy": "never"},
        {"enabled": False, "is_enabled": False},
    ],
)
def test_a_senseless_change_of_a_schedule_is_refused(
    key: CallerOf, schedule: Schedule, change: dict[str, Any]
) -> None:
    answer = key("admin").patch(
        f"/api/v1/schedules/{schedule.pk}/", change, content_type="application/json"
    )
    assert answer.status_code == 422, answer.content
    assert answer.json()["code"] == "invalid_input"


def test_a_schedule_starts_by_hand(key: CallerOf, schedule: Schedule) -> None:
    caller = key("admin")
    answer = post(caller, f"/api/v1/schedules/{schedule.pk}/run/")
    assert (answer.status_code, answer.json()["started_via"]) == (202, "key")
    again = post(caller, f"/api/v1/schedules/{schedule.pk}/run/")
    assert (again.status_code, again.json()["code"]) == (409, "schedule_busy")


def test_who_may_change_schedules(key: CallerOf, signed_in: CallerOf, schedule: Schedule) -> None:
    target = f"/api/v1/schedules/{schedule.pk}/"
    for caller in (key("read"), signed_in("viewer"), key("admin", role="viewer")):
        assert caller.patch(target, {}, content_type="application/json").status_code == 403
        assert post(caller, f"{target}run/").status_code == 403
    assert post(signed_in("operator"), f"{target}run/").status_code == 202


def test_a_cancellation_with_a_misspelt_reason_is_refused(
    key: CallerOf, schedule: Schedule
) -> None:
    run = services.enqueue(kind="portal.selftest", actor=Actor.system("test"))
    answer = post(key("admin", "predict"), f"/api/v1/runs/{run.pk}/cancel/", {"raison": "why not"})
    assert [item["field"] for item in answer.json()["errors"]] == ["raison"]
    run.refresh_from_db()
    assert run.state == "queued"
