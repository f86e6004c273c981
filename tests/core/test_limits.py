from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
from django.conf import LazySettings
from django.test import Client

from portal.core import limits, store
from portal.core.limits import Limiter
from portal.core.models import User
from portal.lib import clock

pytestmark = pytest.mark.urls("tests.core.probe")


def set_clock(monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    monkeypatch.setattr(clock, "now", lambda: datetime.fromtimestamp(seconds, tz=UTC))


@pytest.fixture(autouse=True)
def _middle_of_a_minute(redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, 30)


@pytest.fixture
def no_redis(settings: LazySettings) -> Iterator[None]:
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    store.redis_client.cache_clear()
    yield
    store.redis_client.cache_clear()


def n_allowed(limiter: Limiter, n_asked: int, caller: str = "kim") -> int:
    return sum(limiter.seconds_to_wait(caller) == 0 for _ in range(n_asked))


@pytest.mark.parametrize("limit", [1, 5, 99, 100, 101, 250, 1000])
def test_one_process_allows_exactly_the_limit(limit: int) -> None:
    assert n_allowed(Limiter("test", limit), limit + 50) == limit


@pytest.mark.parametrize("limit", [5, 250, 1000])
def test_several_processes_share_the_limit_but_for_a_lot_each(limit: int) -> None:
    processes = [Limiter("test", limit) for _ in range(3)]
    n_all = sum(n_allowed(process, limit) for process in processes)
    lot = max(1, limit // limits.LOTS)
    assert limit - 3 * lot <= n_all <= limit


def test_callers_do_not_share_a_limit() -> None:
    limiter = Limiter("test", 3)
    assert n_allowed(limiter, 10, "kim") == n_allowed(limiter, 10, "lee") == 3


def test_a_new_minute_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    limiter = Limiter("test", 3)
    n_allowed(limiter, 10)
    assert limiter.seconds_to_wait("kim") == 31
    set_clock(monkeypatch, 61)
    assert n_allowed(limiter, 10) == 3


def test_a_busy_caller_seldom_asks_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    limiter = Limiter("test", 10_000)
    asked: list[int] = []
    count = limiter._count

    def counted(caller: str, window: int, size: int) -> int:
        asked.append(window)
        return count(caller, window, size)

    monkeypatch.setattr(limiter, "_count", counted)
    n_allowed(limiter, 1000)
    assert len(asked) == 10


def test_zero_means_no_limit() -> None:
    assert n_allowed(Limiter("test", 0), 50) == 50


def test_without_redis_nobody_is_limited_and_the_log_says_so(
    no_redis: None, caplog: pytest.LogCaptureFixture
) -> None:
    limiter = Limiter("test", 1)
    assert n_allowed(limiter, 20) == 20
    assert caplog.text.count("requests are not limited") == 1


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/api/probe/rows/", "/api/probe/fast/"])
def test_a_key_over_its_limit_is_told_when_to_come_back(
    bearer: Callable[..., Client], settings: LazySettings, path: str
) -> None:
    settings.REQUESTS_PER_MINUTE = 2
    caller = bearer("read", "predict")
    answers = [caller.get(path) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json()["code"] == "throttled"
    assert 0 < int(answers[2].headers["Retry-After"]) <= 60


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/api/probe/rows/", "/api/probe/fast/"])
def test_an_address_that_tries_keys_is_limited(
    stranger: Client, settings: LazySettings, path: str
) -> None:
    settings.ANONYMOUS_REQUESTS_PER_MINUTE = 2
    headers = {"authorization": "Bearer mw_guess"}
    codes = [stranger.get(path, headers=headers).status_code for _ in range(3)]
    assert codes == [401, 401, 429]


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/api/probe/rows/", "/api/probe/fast/", "/api/v1/schema/"])
def test_an_address_without_key_is_limited(
    stranger: Client, settings: LazySettings, path: str
) -> None:
    settings.ANONYMOUS_REQUESTS_PER_MINUTE = 2
    assert [stranger.get(path).status_code for _ in range(3)][2] == 429


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("n_proxies", "forwarded", "n_refused"),
    [(0, "9.9.9.{}", 2), (1, "6.6.6.6, 9.9.9.{}", 0), (1, "9.9.9.{}, 6.6.6.6", 2)],
)
def test_only_what_our_own_proxies_saw_counts_as_the_address(
    stranger: Client, settings: LazySettings, n_proxies: int, forwarded: str, n_refused: int
) -> None:
    settings.ANONYMOUS_REQUESTS_PER_MINUTE = 1
    settings.N_PROXIES = n_proxies

    def call(number: int) -> Any:
        headers = {"x-forwarded-for": forwarded.format(number)}
        return stranger.get("/api/v1/schema/", headers=headers).status_code

    assert [call(number) for number in range(3)].count(429) == n_refused


@pytest.mark.django_db
def test_a_person_is_limited_by_account(
    person: Callable[..., User], settings: LazySettings
) -> None:
    settings.REQUESTS_PER_MINUTE = 1
    user = person("kim", "viewer")
    clients = [Client(raise_request_exception=False) for _ in range(2)]
    for client in clients:
        client.force_login(user)
    assert [client.get("/api/v1/alerts/").status_code for client in clients] == [200, 429]


def test_a_request_that_counts_for_many_is_granted_whole_or_not_at_all() -> None:
    limiter = Limiter("test", 1_000)
    assert limiter.seconds_to_wait("kim", 600) == 0
    assert limiter.seconds_to_wait("kim", 600) > 0
    assert limiter.seconds_to_wait("kim", 300) == 0
    assert n_allowed(limiter, 200) == 100


def test_one_request_over_the_whole_limit_is_refused_and_counts_nothing() -> None:
    limiter = Limiter("test", 100)
    assert limiter.seconds_to_wait("kim", 101) > 0
    assert limiter.seconds_to_wait("kim", 100) == 0
