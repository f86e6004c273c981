"""Health of the running product while its parts are killed under it."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

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


def test_processes_that_are_gone_show_and_nothing_else_does(
    whole: LiveStack, wait_for: WaitFor
) -> None:
    gone = {"worker-train": "workers", "beat": "beat", "recorder": "recorder"}
    wait_for(lambda: not ill(whole) & set(gone.values()), timeout=30)
    well = ill(whole)
    with ExitStack() as stack:
        for member in gone:
            stack.enter_context(held(whole, member))
        wait_for(lambda: set(gone.values()) <= ill(whole), timeout=WITHIN_S)
        # Another worker may be about to go on where the one that sampled was killed.
        assert ill(whole) <= set(gone.values()) | well | {"sampler"}
    wait_for(lambda: not ill(whole) & set(gone.values()), timeout=60)


def test_a_killed_web_process_takes_no_count_with_it(whole: LiveStack, wait_for: WaitFor) -> None:
    def n_answered() -> float:
        with urlopen(whole.url + "/api/metrics", timeout=20) as answer:  # noqa: S310 - as above
            text = answer.read().decode()
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == "portal_requests_total" and sample.labels["route"] == "unmatched"
        )

    def ask(times: int) -> None:
        for _ in range(times):
            assert get(whole, "/api/v1/nowhere/")[0] == 404

    before = n_answered()
    ask(6)
    assert n_answered() == before + 6
    workers = psutil.Process(whole.pid("web")).children(recursive=True)
    for worker in workers:
        worker.kill()
    wait_for(lambda: whole.answers("/livez"), timeout=30)
    assert n_answered() == before + 6
    ask(2)
    assert n_answered() == before + 8
