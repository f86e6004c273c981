import logging
import re

import pytest
import structlog
from django.test import Client

from portal.core.request_context import current_request_id

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.core.probe")]


def test_every_answer_carries_a_fresh_id(stranger: Client) -> None:
    first = stranger.get("/nowhere/").headers["X-Request-ID"]
    second = stranger.get("/api/nowhere/").headers["X-Request-ID"]
    assert first != second
    assert re.fullmatch(r"[0-9a-f]{32}", first)


def test_a_well_formed_id_of_the_caller_is_kept(stranger: Client) -> None:
    answer = stranger.get("/api/nowhere/", headers={"X-Request-ID": "line-4.shift_2"})
    assert answer.headers["X-Request-ID"] == "line-4.shift_2"
    assert answer.json()["request_id"] == "line-4.shift_2"


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "-x", "a\u00e9", "a;b", '{"a":1}'])
def test_an_id_that_could_hurt_a_log_is_replaced(stranger: Client, given: str) -> None:
    answer = stranger.get("/api/nowhere/", headers={"X-Request-ID": given})
    assert answer.headers["X-Request-ID"] != given


def test_what_django_logs_of_a_refusal_carries_the_id(stranger: Client) -> None:
    seen: list[object] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(structlog.contextvars.get_contextvars().get("request_id"))

    handler, logger = Handler(), logging.getLogger("django.request")
    logger.addHandler(handler)
    stranger.get("/nowhere/", headers={"X-Request-ID": "abc"})
    logger.removeHandler(handler)
    assert seen == ["abc"]


def test_the_id_ends_with_the_request(stranger: Client) -> None:
    stranger.get("/api/probe/plain/bug/")
    assert current_request_id() == ""
