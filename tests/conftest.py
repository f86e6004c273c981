"""Fixtures for every test: Redis, child processes, real workers, the whole product."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
import redis
from django.conf import settings
from django.db import connection
from django.utils import translation
from hypothesis import settings as hypothesis_settings
from pytest_django import DjangoDbBlocker

from portal.registry.services import gates
from portal.runs.services import queueing
from tests import waiting
from tests.live import LiveStack, live
from tests.plugin import THROWAWAY
from tests.worker import Worker

#: From where a test's seeds are drawn.
LUCK = 11

# A busy machine makes an example slow, and that says nothing of the code; and the same code is to
# meet the same examples. `--hypothesis-profile=exploring` draws others each time.
hypothesis_settings.register_profile("patient", deadline=None, derandomize=True)
hypothesis_settings.register_profile("exploring", deadline=None)
hypothesis_settings.load_profile("patient")


@pytest.fixture(scope="session")
def django_db_keepdb(django_db_keepdb: bool) -> bool:
    """Leave the database to the end of the throw-away server that it is on: dropping it waits."""
    return django_db_keepdb or bool(os.environ.get(THROWAWAY))


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Let tests that commit empty guarded tables afterwards; rows stay guarded."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT format('ALTER TABLE %s DISABLE TRIGGER %I', tgrelid::regclass, tgname)"
            " FROM pg_trigger WHERE tgtype & 32 > 0"  # 32: BEFORE TRUNCATE
        )
        for (statement,) in cursor.fetchall():
            cursor.execute(statement)


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    """Speak English, whatever the product speaks and the test before was answered in."""
    with translation.override("en"):
        yield


@pytest.fixture(autouse=True)
def _same_luck(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw the same seeds each time the suite runs: no verdict of a gate is to hang on luck.

    The product draws the seed of a run that is given none, and a gate's from digests that hold
    random ids; both are chance from outside, as the clock is.
    """
    drawn = Random(LUCK)  # noqa: S311 - to be repeated, not to be secret
    monkeypatch.setattr(queueing, "draw_seed", lambda: drawn.getrandbits(queueing.SEED_BITS))
    monkeypatch.setattr(gates, "seed_of", lambda *digests: LUCK)


@pytest.fixture(autouse=True)
def nothing_owed() -> Iterator[None]:
    """Let no test's predictions be written again later, when Redis is slow or emptied."""
    yield
    recording = sys.modules.get("predictions.services.recording")
    if recording is not None:
        recording.tail._recent.clear()
        recording.tail._owed.clear()


@pytest.fixture
def wait_for() -> Callable[..., object]:
    """Give ``wait_for(condition, timeout=10)``: the condition's value as soon as it is true."""
    return waiting.wait_for


@pytest.fixture
def redis_client() -> Iterator[redis.Redis]:
    """Give a client of the product's Redis, empty before and after the test."""
    client = redis.Redis.from_url(settings.REDIS_URL)
    client.flushdb()
    yield client
    client.flushdb()
    client.close()


@pytest.fixture
def child_environment(transactional_db: None) -> dict[str, str]:
    """Give the environment in which a child process works on this test's database and Redis."""
    own = connection.settings_dict
    url = f"postgresql://{own['USER']}:{own['PASSWORD']}@/{own['NAME']}?host={own['HOST']}"
    if own["PORT"]:
        url += f"&port={own['PORT']}"
    return os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "portal.settings"}


@pytest.fixture
def celery_worker(
    child_environment: dict[str, str], redis_client: redis.Redis, tmp_path: Path
) -> Iterator[Callable[..., Worker]]:
    """Give ``celery_worker(queues="train", *options)``: a real worker that is ready for work."""
    started: list[Worker] = []

    def start(queues: str = "interactive,train,bench,maintenance", *options: str) -> Worker:
        log = tmp_path / f"worker-{len(started)}.log"
        worker = Worker(queues, child_environment, log, options)
        started.append(worker)
        worker.wait_ready()
        return worker

    yield start
    for worker in started:
        worker.stop()


@pytest.fixture(scope="session")
def live_stack() -> Iterator[LiveStack]:
    """Give the whole running product in a state folder of its own, shared by all tests that ask.

    Who stops it or one of its members sees to it that it runs again afterwards.
    """
    with live() as stack:
        waiting.wait_for(stack.is_complete, 60)
        yield stack
