"""Commands sent to Redis over connections of our own."""

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from portal.core.store import Lines


def test_commands_are_answered_in_their_order(redis_client: redis.Redis) -> None:
    lines = Lines(redis_client)
    said = lines.exchange((b"SET", b"test:a", b"\r\n1"), (b"GET", b"test:a"))
    assert said == [b"OK", b"\r\n1"]
    assert lines.exchange((b"GET", b"test:none"), (b"EXISTS", b"test:a")) == [None, 1]


def test_a_refused_command_does_not_spoil_the_next_exchange(redis_client: redis.Redis) -> None:
    lines = Lines(redis_client)
    lines.exchange((b"SET", b"test:a", b"1"))
    with pytest.raises(redis.ResponseError):
        lines.exchange((b"LPUSH", b"test:a", b"x"), (b"GET", b"test:a"))
    assert lines.exchange((b"GET", b"test:a")) == [b"1"]


def test_connections_that_redis_closed_are_replaced_after_one_failure(
    redis_client: redis.Redis,
) -> None:
    lines = Lines(redis_client)
    lines.exchange((b"SET", b"test:a", b"1"))
    lines._idle[0].connection._sock.close()
    with pytest.raises(redis.RedisError):
        lines.exchange((b"GET", b"test:a"))
    assert lines.exchange((b"GET", b"test:a")) == [b"1"]


def test_what_is_posted_arrives_and_its_replies_are_nobody_elses(
    redis_client: redis.Redis,
) -> None:
    lines = Lines(redis_client)
    lines.post((b"SET", b"test:a", b"1"), (b"INCR", b"test:a"))
    lines.post((b"INCR", b"test:a"))
    assert lines.exchange((b"GET", b"test:a"), (b"EXISTS", b"test:a")) == [b"3", 1]
    assert len(lines._idle) == 1


def test_a_refusal_of_what_was_posted_is_told_to_whoever_is_next(
    redis_client: redis.Redis,
) -> None:
    lines = Lines(redis_client)
    lines.post((b"SET", b"test:a", b"x"), (b"INCR", b"test:a"))
    with pytest.raises(redis.ResponseError):
        lines.exchange((b"GET", b"test:a"))
    assert lines.exchange((b"GET", b"test:a")) == [b"x"]


def test_an_outage_leaves_the_client_all_its_connections() -> None:
    away = redis.Redis.from_url("redis://127.0.0.1:1", retry=Retry(NoBackoff(), 0))
    lines = Lines(away)
    for _time in range(3):
        with pytest.raises(redis.ConnectionError):
            lines.exchange((b"GET", b"test:a"))
    assert away.connection_pool._created_connections == 0  # there may be no more than 100
