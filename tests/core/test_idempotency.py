"""The same key and body give the first answer again, whatever happens in between."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from portal.core import idempotency
from portal.core.models import IdempotencyRecord, User
from portal.lib import clock
from tests.core import probe

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.core.probe")]
CREATE = "/api/probe/create/"


@pytest.fixture
def caller(bearer: Callable[..., Client]) -> Client:
    return bearer("read")


def create(caller: Client, body: Any = None, key: str = "k-1", path: str = CREATE) -> Any:
    return caller.post(
        path, body or {}, content_type="application/json", headers={"Idempotency-Key": key}
    )


def test_a_repetition_gets_the_first_answer(caller: Client) -> None:
    first, second = create(caller, {"a": 1}), create(caller, {"a": 1})
    assert first.status_code == second.status_code == 201
    assert first.content == second.content
    assert second.headers["Location"] == first.headers["Location"]
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"


def test_spelling_of_the_same_body_does_not_matter(caller: Client) -> None:
    headers = {"Idempotency-Key": "k"}
    answers = [
        caller.post(CREATE, raw, content_type="application/json", headers=headers)
        for raw in ('{"a": 1, "b": 2}', '{"b":2,"a":1}')
    ]
    assert answers[0].content == answers[1].content


def test_without_a_key_every_call_works_anew(caller: Client) -> None:
    answers = [caller.post(CREATE, {}, content_type="application/json") for _ in range(2)]
    assert answers[0].json() != answers[1].json()


def test_another_body_under_the_same_key_is_a_conflict(caller: Client) -> None:
    create(caller, {"a": 1})
    answer = create(caller, {"a": 2})
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_reused")


def test_another_address_under_the_same_key_is_a_conflict(caller: Client) -> None:
    create(caller)
    assert create(caller, path=CREATE + "?x=1").status_code == 409


def test_keys_of_two_principals_have_nothing_to_do_with_one_another(
    bearer: Callable[..., Client], person: Callable[..., User]
) -> None:
    user = person()
    first, second = (create(bearer("read", user=user)) for _ in range(2))
    assert first.json() != second.json()


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "\u00e9", "a\tb"])
def test_a_malformed_key_is_refused(caller: Client, key: str) -> None:
    answer = create(caller, key=key)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"


def test_a_refusal_is_an_answer_too(caller: Client) -> None:
    first, second = (create(caller, {"fail": "conflict"}) for _ in range(2))
    assert first.status_code == second.status_code == 409
    assert second.headers["Idempotency-Replayed"] == "true"
    assert second.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("how", ["bug", "database", "unavailable"])
def test_a_failure_of_ours_is_not_kept(caller: Client, how: str) -> None:
    assert create(caller, {"fail": how}).status_code >= 500
    assert not IdempotencyRecord.objects.exists()


def test_the_same_file_sent_again_gets_the_first_answer(caller: Client) -> None:
    def send(content: bytes) -> Any:
        body = {"name": "x", "file": SimpleUploadedFile("a.csv", content, "text/csv")}
        return caller.post("/api/probe/upload/", body, headers={"Idempotency-Key": "up"})

    first, second, other = send(b"1,2"), send(b"1,2"), send(b"1,3")
    assert first.json()["size"] == 3
    assert second.content == first.content
    assert other.status_code == 409


def test_an_answer_is_kept_for_a_day(caller: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    first = create(caller)
    start = clock.now()
    monkeypatch.setattr(clock, "now", lambda: start + idempotency.KEPT - timedelta(minutes=1))
    assert create(caller).content == first.content
    monkeypatch.setattr(clock, "now", lambda: start + idempotency.KEPT + timedelta(minutes=1))
    assert create(caller, {"other": "body"}).json() != first.json()


def test_what_has_expired_is_removed(caller: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    create(caller, key="old")
    start = clock.now()
    monkeypatch.setattr(clock, "now", lambda: start + idempotency.KEPT)
    create(caller, key="new")
    assert idempotency.remove_expired() == 1
    assert IdempotencyRecord.objects.get().key == "new"


def claim(user_name: str = "key:1") -> idempotency.Claim:
    begun = idempotency.begin(user_name, "k", {"body": 1})
    assert isinstance(begun, idempotency.Claim)
    return begun


def test_a_claim_whose_process_died_is_taken_over_after_two_minutes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dead = claim()
    with pytest.raises(idempotency.InProgress):
        claim()
    start = clock.now()
    monkeypatch.setattr(clock, "now", lambda: start + idempotency.TAKEOVER + timedelta(seconds=1))
    alive = claim()
    alive.finish(idempotency.Answer(201, {}, b"second"))
    dead.finish(idempotency.Answer(201, {}, b"late"))
    dead.free()
    again = idempotency.begin("key:1", "k", {"body": 1})
    assert isinstance(again, idempotency.Answer)
    assert again.body == b"second"


def test_a_freed_key_can_be_claimed_again() -> None:
    first = claim()
    first.free()
    assert claim().token != first.token


@pytest.mark.django_db(transaction=True)
def test_a_duplicate_at_the_same_time_is_told_to_come_back(
    caller: Client, in_threads: Callable[..., None]
) -> None:
    probe.gate.clear()
    answers: dict[int, Any] = {}

    def call(number: int) -> None:
        if number == 1:
            while not IdempotencyRecord.objects.exists():
                time.sleep(0.005)
        answers[number] = create(caller, {"wait": True})
        if number == 1:
            probe.gate.set()

    in_threads(call, 2)
    assert answers[0].status_code == 201
    assert (answers[1].status_code, answers[1].json()["code"]) == (409, "in_progress")
    assert answers[1].headers["Retry-After"]
    assert create(caller, {"wait": True}).content == answers[0].content


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_works(in_threads: Callable[..., None]) -> None:
    claims: list[object] = []
    lock = threading.Lock()

    def begin(number: int) -> None:
        try:
            begun = idempotency.begin("key:1", "k", {"body": 1})
        except idempotency.InProgress:
            return
        with lock:
            claims.append(begun)

    in_threads(begin, 8)
    assert len(claims) == 1
