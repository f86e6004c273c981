"""Accounts, keys and callers for the tests of the kernel."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connections
from django.test import Client
from django.utils import translation

from portal.core import audit_chain, key_news, keys
from portal.core.actors import Actor
from portal.core.api import addresses, throttles
from portal.core.models import AuditHead, User

COMMAND = Actor(name="test", via="command")


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    """Keep one test's keys and limits out of the next, and speak English."""
    throttles.principal_limiter.cache_clear()
    addresses.address_limiter.cache_clear()
    keys._cache.clear()
    with translation.override("en"):
        yield
    keys._cache.clear()


@pytest.fixture
def person(db: None) -> Callable[..., User]:
    """Give ``person("kim", "operator")``: an account in some roles."""

    def make(name: str = "kim", *roles: str, **fields: Any) -> User:
        user = User.objects.create_user(name, password="correct horse", **fields)
        user.groups.set([Group.objects.get_or_create(name=role)[0] for role in roles])
        return user

    return make


@pytest.fixture
def bearer(person: Callable[..., User]) -> Callable[..., Client]:
    """Give ``bearer("read", "train")``: a caller with a key of these scopes.

    Unless a user is given, the account may do everything, so that the scopes decide.
    """

    def make(*scopes: str, user: User | None = None) -> Client:
        owner = user or person(f"owner-{'-'.join(scopes)}", is_superuser=True)
        _key, plain = keys.create_key(user=owner, name="test", scopes=scopes, actor=COMMAND)
        return Client(raise_request_exception=False, headers={"authorization": f"Bearer {plain}"})

    return make


@pytest.fixture
def stranger() -> Client:
    """Give a caller without key or session."""
    return Client(raise_request_exception=False)


@pytest.fixture
def news(wait_for: Callable[..., object]) -> None:
    """Have this process listen for changes of keys, so that it remembers them."""
    wait_for(lambda: key_news.epoch() is not None, timeout=5)


@pytest.fixture
def seal_log(transactional_db: None) -> None:
    """Give a committing test the sealed empty log that the migration made."""
    digest = audit_chain.GENESIS
    end = {"number": 0, "digest": digest, "seal": audit_chain.seal_of(0, digest)}
    AuditHead.objects.update_or_create(id=1, defaults=end)


@pytest.fixture
def in_threads(transactional_db: None) -> Callable[..., None]:
    """Give ``in_threads(work, 4)``: run ``work(0)`` to ``work(3)`` at once and pass on failures."""

    def run(work: Callable[[int], object], n_threads: int) -> None:
        start = threading.Barrier(n_threads)

        def one(number: int) -> None:
            try:
                start.wait()
                work(number)
            finally:
                connections.close_all()

        with ThreadPoolExecutor(n_threads) as pool:
            for done in [pool.submit(one, number) for number in range(n_threads)]:
                done.result(60)

    return run
