from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
from django.conf import LazySettings
from django.test import Client
from django.urls import reverse

from portal.core import sign_in, store
from portal.core.models import User
from portal.lib import clock

pytestmark = pytest.mark.django_db
GOOD = "correct horse"


@pytest.fixture(autouse=True)
def _three_failures(
    redis_client: redis.Redis, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    settings.SIGN_IN_FAILURES_PER_MINUTE = 3
    set_clock(monkeypatch, 30)
    forget()
    yield
    forget()


def forget() -> None:
    sign_in.by_address.cache_clear()
    sign_in.by_account.cache_clear()


def set_clock(monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    monkeypatch.setattr(clock, "now", lambda: datetime.fromtimestamp(seconds, tz=UTC))


def attempt(password: str, name: str = "kim", address: str = "10.0.0.1") -> Any:
    client = Client(headers={"accept-language": "en"})
    form = {"username": name, "password": password}
    return client.post(reverse("admin:login"), form, REMOTE_ADDR=address)


def fail(n_times: int, **where: str) -> list[int]:
    return [attempt("wrong", **where).status_code for _ in range(n_times)]


@pytest.fixture(autouse=True)
def _kim(person: Callable[..., User]) -> None:
    person("kim", is_staff=True)


def test_after_the_last_failure_even_the_right_password_waits() -> None:
    assert fail(3) == [200, 200, 200]
    answer = attempt(GOOD)
    assert answer.status_code == 429
    assert "Try again in 31 seconds" in answer.content.decode()


def test_the_next_minute_lets_in_again(monkeypatch: pytest.MonkeyPatch) -> None:
    fail(3)
    set_clock(monkeypatch, 61)
    assert attempt(GOOD).status_code == 302


def test_signing_in_well_counts_for_nothing() -> None:
    assert [attempt(GOOD).status_code for _ in range(10)] == [302] * 10


def test_another_address_is_not_held_up() -> None:
    fail(3, address="10.0.0.1")
    assert attempt(GOOD, address="10.0.0.2").status_code == 302


def test_an_account_is_guarded_against_many_addresses() -> None:
    n_allowed = sign_in.ACCOUNT_FACTOR * 3
    for number in range(n_allowed):
        attempt("wrong", name="Kim", address=f"10.0.1.{number}")
    assert attempt(GOOD, address="10.0.2.1").status_code == 429


def test_an_account_that_does_not_exist_is_limited_alike() -> None:
    assert fail(4, name="nobody") == [200, 200, 200, 429]


def test_a_refused_sign_in_checks_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    fail(3)
    checked: list[str] = []
    monkeypatch.setattr(User, "check_password", lambda _user, raw: checked.append(raw))
    attempt(GOOD)
    assert checked == []


def test_failures_are_logged_with_the_address_alone(caplog: pytest.LogCaptureFixture) -> None:
    attempt("wrong", name="a password typed as a name")
    lines = [item.getMessage() for item in caplog.records if item.name == sign_in.__name__]
    assert lines == ["sign-in refused from 10.0.0.1"]


def test_without_redis_people_still_sign_in(settings: LazySettings) -> None:
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    store.redis_client.cache_clear()
    try:
        assert attempt(GOOD).status_code == 302
    finally:
        store.redis_client.cache_clear()
