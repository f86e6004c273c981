import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from django.conf import LazySettings

from portal.core import store
from search.services import caching
from search.services.caching import (
    JOINED,
    KEY_BYTES,
    LONGEST_SHARED,
    NOWHERE,
    PROCESS,
    SHARED,
    Cache,
    Made,
    key_of,
)

KEY = key_of(b"a question")


def cache_of(*, process_bytes: int = 1 << 20, shared_bytes: int = 1 << 20) -> Cache:
    return Cache("test", process_bytes=process_bytes, shared_bytes=shared_bytes, ttl_s=60)


def never() -> Made:
    raise AssertionError("made again")


def counted(cache: str, result: str, level: str) -> float:
    return caching.REQUESTS.labels(cache, result, level).value


def test_an_answer_is_made_once_and_then_found_in_the_process(redis_client: redis.Redis) -> None:
    cache = cache_of()
    before = counted("test", "miss", "nowhere"), counted("test", "hit", "process")
    first = cache.get(KEY, lambda: Made(b"answer"))
    again = cache.get(KEY, never)
    assert (first.content, first.level, first.is_hit) == (b"answer", NOWHERE, False)
    assert (again.content, again.level, again.is_hit) == (b"answer", PROCESS, True)
    assert (counted("test", "miss", "nowhere"), counted("test", "hit", "process")) == (
        before[0] + 1,
        before[1] + 1,
    )


def test_another_process_finds_it_in_redis(redis_client: redis.Redis) -> None:
    cache_of().get(KEY, lambda: Made(b"answer"))
    other = cache_of()
    assert other.get(KEY, never).level == SHARED
    assert other.get(KEY, never).level == PROCESS


def test_whoever_is_answered_does_not_wait_until_redis_has_it(redis_client: redis.Redis) -> None:
    cache = cache_of()
    cache.get(KEY, lambda: Made(b"answer"))
    line = store._lines(store.redis_client())._idle[-1]
    assert line.n_owed == 2  # the answer is on its way, and so is the end of its flight
    assert cache_of().get(KEY, never).level == SHARED


def test_a_newer_state_has_another_key_and_so_another_answer(redis_client: redis.Redis) -> None:
    cache = cache_of()
    cache.get(key_of(b"version 1"), lambda: Made(b"old"))
    assert cache.get(key_of(b"version 2"), lambda: Made(b"new")).content == b"new"


def test_what_is_not_to_be_kept_is_made_again(
    redis_client: redis.Redis, wait_for: Callable[..., object]
) -> None:
    cache = cache_of()
    made = [cache.get(KEY, lambda: Made(b"half an answer", is_kept=False)) for _ in range(2)]
    assert [one.level for one in made] == [NOWHERE, NOWHERE]
    wait_for(lambda: redis_client.keys("millwright:*") == [])


def test_a_failure_is_raised_and_not_kept(
    redis_client: redis.Redis, wait_for: Callable[..., object]
) -> None:
    cache = cache_of()

    def fail() -> Made:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        cache.get(KEY, fail)
    wait_for(lambda: redis_client.keys("millwright:flight:*") == [])
    assert cache.get(KEY, lambda: Made(b"answer")).content == b"answer"


def test_the_process_keeps_the_most_recently_asked_up_to_its_bytes(
    redis_client: redis.Redis,
) -> None:
    cache = cache_of(process_bytes=3_000, shared_bytes=0)
    keys = [key_of(bytes([number])) for number in range(3)]
    for key in keys[:2]:
        cache.get(key, lambda: Made(b"x" * 1_000))
    cache.get(keys[0], never)
    cache.get(keys[2], lambda: Made(b"x" * 1_000))
    assert cache.get(keys[0], never).is_hit
    assert not cache.get(keys[1], lambda: Made(b"x" * 1_000)).is_hit


def test_redis_holds_no_more_answers_than_it_has_places(redis_client: redis.Redis) -> None:
    cache = cache_of(shared_bytes=4 * LONGEST_SHARED)
    for number in range(50):
        cache.get(key_of(bytes([number])), lambda: Made(b"answer"))
    assert len(redis_client.keys("millwright:cache:test:*")) <= 4
    assert all(
        0 < redis_client.ttl(place) <= 60 for place in redis_client.keys("millwright:cache:*")
    )


def test_an_answer_in_another_ones_place_is_not_taken_for_it(redis_client: redis.Redis) -> None:
    shared = LONGEST_SHARED
    cache_of(shared_bytes=shared).get(key_of(b"one"), lambda: Made(b"of one"))
    found = cache_of(shared_bytes=shared).get(key_of(b"two"), lambda: Made(b"of two"))
    assert (found.content, found.level) == (b"of two", NOWHERE)


def test_a_long_answer_stays_in_the_process(
    redis_client: redis.Redis, wait_for: Callable[..., object]
) -> None:
    cache = cache_of()
    content = b"x" * (LONGEST_SHARED - KEY_BYTES + 1)
    cache.get(KEY, lambda: Made(content))
    wait_for(lambda: redis_client.keys("millwright:*") == [])
    assert cache.get(KEY, never).content == content


def test_threads_that_ask_at_the_same_time_get_one_answer(
    redis_client: redis.Redis, wait_for: Callable[..., object]
) -> None:
    cache = cache_of()
    begun, release, n_made = threading.Event(), threading.Event(), []

    def make() -> Made:
        n_made.append(1)
        begun.set()
        assert release.wait(60)
        return Made(b"answer")

    with ThreadPoolExecutor(5) as pool:
        first = pool.submit(cache.get, KEY, make)
        assert begun.wait(60)
        others = [pool.submit(cache.get, KEY, never) for _number in range(4)]
        release.set()
        levels = sorted({one.result(60).level for one in others})
        assert first.result(60).level == NOWHERE
    assert len(n_made) == 1
    assert set(levels) <= {JOINED, PROCESS}


def test_one_too_many_makes_the_answer_itself(
    redis_client: redis.Redis, wait_for: Callable[..., object]
) -> None:
    cache = Cache("test", process_bytes=1 << 20, shared_bytes=0, ttl_s=60, most_joined=1)
    begun, release = threading.Event(), threading.Event()

    def make() -> Made:
        begun.set()
        assert release.wait(60)
        return Made(b"answer")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cache.get, KEY, make)
        assert begun.wait(60)
        joined = pool.submit(cache.get, KEY, never)
        wait_for(lambda: cache._seats is not None and cache._seats._value == 0)
        own = cache.get(KEY, lambda: Made(b"own", is_kept=False))
        release.set()
        assert first.result(60).content == b"answer"
        assert joined.result(60).level == JOINED
    assert (own.content, own.level) == (b"own", NOWHERE)


def test_those_who_wait_get_the_failure_too(redis_client: redis.Redis) -> None:
    cache = cache_of()
    begun, release = threading.Event(), threading.Event()

    def fail() -> Made:
        begun.set()
        assert release.wait(60)
        raise ValueError("no")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cache.get, KEY, fail)
        assert begun.wait(60)
        flight = cache._flights[KEY]
        second = pool.submit(flight.wait)
        release.set()
        for one in (first, second):
            with pytest.raises(ValueError, match="no"):
                one.result(60)


def test_another_process_waits_for_the_one_that_makes_it(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caching, "FLIGHT_S", 60.0)
    first, second = cache_of(), cache_of()
    begun, release = threading.Event(), threading.Event()

    def make() -> Made:
        begun.set()
        assert release.wait(60)
        return Made(b"answer")

    with ThreadPoolExecutor(2) as pool:
        making = pool.submit(first.get, KEY, make)
        assert begun.wait(60)
        waiting = pool.submit(second.get, KEY, never)
        release.set()
        assert making.result(60).level == NOWHERE
        assert waiting.result(60).level == SHARED


def test_a_process_that_dies_over_it_holds_nobody_up_for_long(redis_client: redis.Redis) -> None:
    cache = cache_of()
    redis_client.set(cache._far._flight(KEY), b"1", px=200)
    found = cache.get(KEY, lambda: Made(b"answer"))
    assert (found.content, found.level) == (b"answer", NOWHERE)


def test_without_redis_answers_are_made_and_kept_in_the_process(settings: LazySettings) -> None:
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    store.redis_client.cache_clear()
    try:
        cache = cache_of()
        assert cache.get(KEY, lambda: Made(b"answer")).level == NOWHERE
        assert cache.get(KEY, never).level == PROCESS
    finally:
        store.redis_client.cache_clear()
