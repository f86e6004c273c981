"""Health of the running product while its parts are killed under it."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.live import LiveStack

pytestmark = pytest.mark.integration
#: Generous: what must show here is a stuck check, not a slow machine.
WITHIN_S = 20.0
WaitFor = Callable[..., object]


def get(stack: LiveStack, path: str, **headers: str) -> tuple[int, dict[str, Any]]:
    request = Request(stack.url + path, headers=headers)  # noqa: S310 - our own server
    try:
        with urlopen(request, timeout=20) as answer:  # noqa: S310 - as above
            return answer.status, json.load(answer)
    except HTTPError as exc:
        return exc.code, json.load(exc)


@pytest.fixture
def whole(live_stack: LiveStack, wait_for: WaitFor) -> Iterator[LiveStack]:
    """Give the running product once everything in it lives."""
    wait_for(lambda: get(live_stack, "/api/health")[1]["status"] != "unhealthy", timeout=60)
    yield live_stack
    wait_for(lambda: get(live_stack, "/readyz")[0] == 200, timeout=60)


@contextmanager
def held(stack: LiveStack, member: str) -> Iterator[None]:
    """Kill a member and keep it dead for a while."""
    stack.hold(member)
    try:
        yield
    finally:
        stack.release(member)


def ill(stack: LiveStack) -> set[str]:
    checks = get(stack, "/api/health")[1]["checks"]
    return {name for name, check in checks.items() if check["status"] != "healthy"}


@pytest.mark.parametrize("part", ["postgres", "redis"])
def test_a_killed_part_shows_and_livez_stays(
    whole: LiveStack, wait_for: WaitFor, part: str
) -> None:
    with held(whole, part):
        # Two web processes look for themselves, a second apart at most.
        wait_for(lambda: part in ill(whole), timeout=WITHIN_S)
        wait_for(lambda: get(whole, "/api/health")[0] == 503, timeout=WITHIN_S)
        wait_for(lambda: get(whole, "/readyz")[0] == 503, timeout=WITHIN_S)
        assert get(whole, "/livez") == (200, {"status": "alive"})


def authorization_of(stack: LiveStack) -> str:
    words = ("create_key", "health", "--user", "admin", "--scopes", "read")
    return f"Bearer {stack.manage(*words).strip().splitlines()[-1]}"


def test_the_api_goes_on_without_redis(whole: LiveStack, wait_for: WaitFor) -> None:
    authorization = authorization_of(whole)
    with held(whole, "redis"):
        wait_for(lambda: "redis" in ill(whole), timeout=WITHIN_S)
        for _ in range(4):
            assert get(whole, "/api/v1/alerts/", Authorization=authorization)[0] == 200


def test_the_api_answers_with_a_problem_while_postgres_is_away(
    whole: LiveStack, wait_for: WaitFor
) -> None:
    authorization = authorization_of(whole)
    assert get(whole, "/api/v1/alerts/", Authorization=authorization)[0] == 200
    with held(whole, "postgres"):
        wait_for(lambda: "postgres" in ill(whole), timeout=WITHIN_S)
        status, body = get(whole, "/api/v1/alerts/", Authorization=authorization)
    assert (status, body["code"]) == (503, "database_unavailable")
    assert "postgres" not in body["detail"].lower()


@pytest.mark.parametrize(("member", "check"), [("worker-train", "workers"), ("beat", "beat")])
def test_a_process_that_is_gone_shows(
    whole: LiveStack, wait_for: WaitFor, member: str, check: str
) -> None:
    wait_for(lambda: check not in ill(whole), timeout=30)
    with held(whole, member):
        wait_for(lambda: check in ill(whole), timeout=WITHIN_S)
