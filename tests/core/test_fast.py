"""The light path takes the same keys, sessions, limits and bodies as the full one."""

import json
from collections.abc import Callable

import pytest
from django.test import Client

from portal.core.models import User

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.core.probe")]
FAST = "/api/probe/fast/"


def test_a_key_with_the_scope_is_answered(bearer: Callable[..., Client]) -> None:
    answer = bearer("predict").post(FAST, {"a": [1, 2.5]}, content_type="application/json")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["body"] == {"a": [1, 2.5]}
    assert answer.json()["via"] == "key"


def test_a_get_has_no_body(bearer: Callable[..., Client]) -> None:
    assert bearer("predict").get(FAST).json()["body"] is None


def test_a_wrong_method_names_the_right_ones(bearer: Callable[..., Client]) -> None:
    answer = bearer("predict").put(FAST, "{}", content_type="application/json")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST, GET")


@pytest.mark.parametrize("raw", [" ", "{", '{"a": NaN}', '{"a": 1, "a": 1}', "[" * 100])
def test_a_malformed_body_is_refused(bearer: Callable[..., Client], raw: str) -> None:
    answer = bearer("predict").post(FAST, raw, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")


@pytest.mark.parametrize("media_type", ["text/plain", "", "multipart/form-data; boundary=x"])
def test_another_media_type_is_refused(bearer: Callable[..., Client], media_type: str) -> None:
    answer = bearer("predict").post(FAST, b"{}", content_type=media_type)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


def test_parameters_of_the_media_type_do_not_matter(bearer: Callable[..., Client]) -> None:
    answer = bearer("predict").post(FAST, b"{}", content_type="Application/JSON; charset=utf-8")
    assert answer.status_code == 200


@pytest.mark.parametrize(("how", "status"), [("bug", 500), ("conflict", 409), ("database", 503)])
def test_a_failure_is_a_problem(bearer: Callable[..., Client], how: str, status: int) -> None:
    answer = bearer("predict").post(FAST, {"fail": how}, content_type="application/json")
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert b"secret inside" not in answer.content


@pytest.fixture
def browser(person: Callable[..., User]) -> Client:
    """Give the browser of a signed-in person who may see predictions, CSRF checked."""
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.force_login(person("kim", is_superuser=True))
    return client


@pytest.mark.parametrize("path", [FAST, "/api/probe/echo/"])
def test_a_session_without_csrf_token_is_refused(browser: Client, path: str) -> None:
    answer = browser.post(path, {}, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed")


@pytest.mark.parametrize("path", [FAST, "/api/probe/echo/"])
def test_a_session_with_csrf_token_is_answered(browser: Client, path: str) -> None:
    token = "t" * 32
    browser.cookies["csrftoken"] = token
    answer = browser.post(path, {}, content_type="application/json", headers={"X-CSRFToken": token})
    assert answer.status_code == 200


@pytest.mark.parametrize("path", [FAST, "/api/probe/echo/"])
def test_a_key_needs_no_csrf_token(bearer: Callable[..., Client], path: str) -> None:
    caller = bearer("predict", "train")
    caller.handler.enforce_csrf_checks = True
    assert caller.post(path, {}, content_type="application/json").status_code == 200


@pytest.mark.parametrize("path", [FAST, "/api/probe/echo/"])
def test_a_person_without_the_permission_is_refused(person: Callable[..., User], path: str) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(person())
    answer = client.post(path, json.dumps({}), content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_missing")


@pytest.mark.parametrize("path", [FAST, "/api/probe/echo/"])
def test_a_bad_key_does_not_fall_back_to_the_session(browser: Client, path: str) -> None:
    answer = browser.post(
        path, {}, content_type="application/json", headers={"authorization": "Bearer mw_x"}
    )
    assert answer.status_code == 401
