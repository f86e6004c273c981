"""Whatever goes wrong under /api/ is told as problem details, and nothing of the inside is."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.core.probe")]
MEMBERS = {"type", "title", "status", "detail", "code", "errors", "request_id"}


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer.headers["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert set(body) == MEMBERS
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code)
    assert body["type"].endswith(code)
    assert body["title"]
    assert body["detail"]
    assert body["request_id"] == answer.headers["X-Request-ID"]
    return body


@pytest.fixture
def caller(bearer: Callable[..., Client]) -> Client:
    return bearer("read", "train")


@pytest.mark.parametrize("kind", ["fail", "plain"])
@pytest.mark.parametrize(
    ("how", "status", "code"),
    [
        ("conflict", 409, "busy"),
        ("missing", 404, "not_found"),
        ("denied", 403, "refused"),
        ("input", 422, "invalid_input"),
        ("unavailable", 503, "unavailable"),
        ("database", 503, "database_unavailable"),
        ("redis", 503, "redis_unavailable"),
        ("bug", 500, "internal_error"),
    ],
)
def test_every_failure_of_a_view_is_a_problem(
    caller: Client, kind: str, how: str, status: int, code: str
) -> None:
    problem(caller.get(f"/api/probe/{kind}/{how}/"), status, code)


def test_a_bug_tells_nothing_of_the_inside_and_is_logged_with_its_trace(
    caller: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = caller.get("/api/probe/fail/bug/")
    assert b"secret inside" not in answer.content
    assert b"Traceback" not in answer.content
    records = [record for record in caplog.records if record.exc_info]
    assert any("the secret inside" in str(record.exc_info) for record in records)


@pytest.mark.parametrize("kind", ["fail", "plain"])
def test_debug_shows_no_trace_to_programs_either(
    caller: Client, settings: LazySettings, kind: str
) -> None:
    settings.DEBUG = True
    answer = caller.get(f"/api/probe/{kind}/bug/")
    problem(answer, 500, "internal_error")
    assert b"secret inside" not in answer.content


def test_an_unavailable_part_says_when_to_try_again(caller: Client) -> None:
    assert caller.get("/api/probe/fail/database/").headers["Retry-After"] == "2"


def test_the_fields_of_a_product_error_are_named(caller: Client) -> None:
    body = problem(caller.get("/api/probe/fail/input/"), 422, "invalid_input")
    assert body["errors"] == [{"field": "speed", "code": "range", "message": "Too fast."}]


def test_the_fields_of_a_serializer_are_named_with_their_path(caller: Client) -> None:
    sent = {"name": "too long", "parts": [{"speed": 1}, {"speed": "x"}]}
    answer = caller.post("/api/probe/validate/", sent, content_type="application/json")
    body = problem(answer, 422, "invalid_input")
    found = {(item["field"], item["code"]) for item in body["errors"]}
    assert found == {("name", "max_length"), ("parts[1].speed", "invalid")}


def test_a_null_body_is_refused_in_the_callers_language(caller: Client) -> None:
    for language, words in (("ko", "본문이 null입니다"), ("en", "The body is null")):
        answer = caller.post(
            "/api/probe/strict/",
            "null",
            content_type="application/json",
            HTTP_ACCEPT_LANGUAGE=language,
        )
        (error,) = problem(answer, 422, "invalid_input")["errors"]
        assert (error["field"], error["code"]) == ("", "null")
        assert error["message"].startswith(words)


@pytest.mark.parametrize("debug", [False, True])
def test_an_unknown_address_is_a_problem(
    stranger: Client, settings: LazySettings, debug: bool
) -> None:
    settings.DEBUG = debug
    problem(stranger.get("/api/v1/nowhere/"), 404, "not_found")


def test_a_wrong_method_is_a_problem_that_names_the_right_ones(caller: Client) -> None:
    answer = caller.delete("/api/probe/echo/")
    problem(answer, 405, "method_not_allowed")
    assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize("raw", ["{", "[1,]", '{"a": NaN}', '{"a": 1, "a": 2}', "\ud800"])
def test_a_malformed_body_is_a_problem(caller: Client, raw: str) -> None:
    sent = raw.encode("utf-8", "surrogatepass")
    answer = caller.post("/api/probe/echo/", sent, content_type="application/json")
    problem(answer, 400, "malformed_json")


def test_a_wrong_content_type_is_a_problem(caller: Client) -> None:
    answer = caller.post("/api/probe/echo/", b"a=1", content_type="text/plain")
    problem(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize("path", ["/api/probe/echo/", "/api/probe/fast/"])
def test_a_body_too_large_is_a_problem(
    bearer: Callable[..., Client], settings: LazySettings, path: str
) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    sent = json.dumps("x" * 200)
    answer = bearer("train", "predict").post(path, sent, content_type="application/json")
    problem(answer, 413, "body_too_large")


@pytest.mark.parametrize("path", ["/api/probe/echo/", "/api/probe/fast/"])
def test_a_caller_without_key_is_asked_for_one(stranger: Client, path: str) -> None:
    answer = stranger.post(path, {}, content_type="application/json")
    problem(answer, 401, "not_authenticated")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("path", ["/api/probe/echo/", "/api/probe/fast/"])
@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("Bearer mw_unknown", "invalid_key"),
        ("Bearer other", "invalid_key"),
        ("Bearer mw_\u00e9", "invalid_key"),
        ("Bearer " + "mw_" + "x" * 10_000, "invalid_key"),
        ("Bearer", "malformed_authorization"),
        ("Bearer a b", "malformed_authorization"),
        ("Basic eDp5", "malformed_authorization"),
    ],
)
def test_a_bad_key_is_a_problem(stranger: Client, path: str, header: str, code: str) -> None:
    answer = stranger.post(
        path, {}, content_type="application/json", headers={"authorization": header}
    )
    problem(answer, 401, code)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("path", ["/api/probe/echo/", "/api/probe/fast/"])
def test_a_missing_scope_is_named(bearer: Callable[..., Client], path: str) -> None:
    answer = bearer("read").post(path, {}, content_type="application/json")
    body = problem(answer, 403, "scope_missing")
    assert "read" in body["detail"]


def test_a_post_without_the_last_slash_is_told_so_and_not_sent_elsewhere(caller: Client) -> None:
    body = problem(
        caller.post("/api/probe/echo", {}, content_type="application/json"), 404, "not_found"
    )
    assert "slash" in body["detail"]
    assert caller.get("/api/probe/rows").status_code == 301


def test_answers_are_not_kept_by_anybody_on_the_way(caller: Client) -> None:
    assert caller.get("/api/probe/rows/").headers["Cache-Control"] == "no-store"
    assert caller.get("/api/probe/fail/bug/").headers["Cache-Control"] == "no-store"


def test_a_page_stays_a_page(stranger: Client) -> None:
    answer = stranger.get("/page/missing-page/nowhere/")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")


def test_a_host_nobody_serves_is_a_problem(stranger: Client) -> None:
    answer = stranger.get("/api/v1/keys/", headers={"host": "elsewhere.example"})
    problem(answer, 400, "bad_request")


def test_the_language_is_english_unless_another_is_asked_for(caller: Client) -> None:
    english = caller.get("/api/v1/nowhere/").headers["Content-Language"]
    korean = caller.get("/api/v1/nowhere/", headers={"accept-language": "ko"})
    assert (english, korean.headers["Content-Language"]) == ("en", "ko")
