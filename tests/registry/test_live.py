"""Every process learns of a move, by message or by polling.

That it takes less than two seconds is measured elsewhere: a busy machine may take its time here.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import redis
from django.conf import settings
from django.db import connection

from portal.core.actors import Actor
from portal.core.models import User
from portal.registry import live, services
from portal.registry.live import AliasWatcher
from portal.registry.models import ModelVersion

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE_S = 10.0
WaitFor = Callable[..., object]


class Seen:
    """What a watcher told, with the time of each call."""

    def __init__(self) -> None:
        self.numbers: list[int | None] = []
        self.errors_left = 0

    def __call__(self, version: ModelVersion | None) -> None:
        if self.errors_left:
            self.errors_left -= 1
            raise RuntimeError("not loaded")
        self.numbers.append(version.number if version else None)


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def watcher(
    seen: Seen, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> Iterator[AliasWatcher]:
    monkeypatch.setattr(live, "POLL_S", 0.1)  # it ends sooner
    live._redis.cache_clear()
    one = AliasWatcher("castings", seen)
    yield one
    one.stop()
    live._redis.cache_clear()


@pytest.fixture
def promote(person: Callable[..., User]) -> Callable[[ModelVersion], None]:
    fireman = Actor.of_user(person("fireman", "break_glass"), via="person")

    def go(version: ModelVersion) -> None:
        services.break_glass(
            version=version, reason="the test needs another champion", actor=fireman
        )

    return go


def test_a_watcher_tells_what_is_live_at_its_start_and_of_every_move(
    champion: ModelVersion,
    candidate: ModelVersion,
    watcher: AliasWatcher,
    seen: Seen,
    promote: Callable[[ModelVersion], None],
    wait_for: WaitFor,
) -> None:
    watcher.start()
    wait_for(lambda: seen.numbers == [1], PATIENCE_S)
    promote(candidate)
    wait_for(lambda: seen.numbers == [1, 2], PATIENCE_S)


def test_a_message_is_heard_at_once(
    champion: ModelVersion,
    candidate: ModelVersion,
    watcher: AliasWatcher,
    seen: Seen,
    promote: Callable[[ModelVersion], None],
    wait_for: WaitFor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live, "POLL_S", 600.0)
    watcher.start()
    wait_for(lambda: seen.numbers == [1], PATIENCE_S)
    client = redis.Redis.from_url(settings.REDIS_URL)
    wait_for(
        lambda: dict(client.pubsub_numsub("millwright:alias:castings")).get(
            b"millwright:alias:castings"
        )
    )
    promote(candidate)
    wait_for(lambda: seen.numbers == [1, 2], PATIENCE_S)
    monkeypatch.undo()
    live.publish("castings")  # ends the long wait
    client.close()


def test_without_redis_a_move_is_found_by_polling(
    champion: ModelVersion,
    candidate: ModelVersion,
    seen: Seen,
    promote: Callable[[ModelVersion], None],
    wait_for: WaitFor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(settings, "REDIS_URL", "unix:///nowhere/redis.sock?db=0")
    live._redis.cache_clear()
    watcher = AliasWatcher("castings", seen)
    try:
        watcher.start()
        wait_for(lambda: seen.numbers == [1], PATIENCE_S)
        promote(candidate)
        wait_for(lambda: seen.numbers == [1, 2], PATIENCE_S)
    finally:
        watcher.stop()
        live._redis.cache_clear()


def test_a_version_that_could_not_be_loaded_is_told_again(
    champion: ModelVersion, watcher: AliasWatcher, seen: Seen, wait_for: WaitFor
) -> None:
    seen.errors_left = 1
    watcher.start()
    wait_for(lambda: seen.numbers == [1], PATIENCE_S)


def test_a_watcher_survives_the_loss_of_its_database_connection(
    champion: ModelVersion,
    candidate: ModelVersion,
    watcher: AliasWatcher,
    seen: Seen,
    promote: Callable[[ModelVersion], None],
    wait_for: WaitFor,
) -> None:
    watcher.start()
    wait_for(lambda: seen.numbers == [1], PATIENCE_S)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    promote(candidate)
    wait_for(lambda: seen.numbers == [1, 2], PATIENCE_S)


def test_starting_twice_makes_one_thread(champion: ModelVersion, watcher: AliasWatcher) -> None:
    watcher.start()
    watcher.start()
    threads = [one for one in threading.enumerate() if one.name == "alias-watcher-castings"]

    assert len(threads) == 1
    watcher.stop()
    assert not watcher.is_running


def test_a_forked_child_starts_a_thread_of_its_own(
    champion: ModelVersion, watcher: AliasWatcher, seen: Seen, wait_for: WaitFor
) -> None:
    watcher.start()
    wait_for(lambda: seen.numbers == [1], PATIENCE_S)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:  # nothing here may reach pytest
        was_running = watcher.is_running
        seen.numbers.clear()
        watcher.start()
        deadline = time.monotonic() + 3 * PATIENCE_S
        while not seen.numbers and time.monotonic() < deadline:
            time.sleep(0.02)
        os.write(write, f"{was_running} {seen.numbers}".encode())
        os._exit(0)
    os.close(write)
    os.waitpid(child, 0)

    assert os.read(read, 100) == b"False [1]"
    assert watcher.is_running
    os.close(read)


def test_a_move_of_another_model_is_not_told(
    champion: ModelVersion, watcher: AliasWatcher, seen: Seen, wait_for: WaitFor
) -> None:
    watcher.start()
    wait_for(lambda: seen.numbers == [1], PATIENCE_S)
    live.publish("other")
    live.publish("castings")
    time.sleep(3 * live.POLL_S / 2)

    assert seen.numbers == [1]
