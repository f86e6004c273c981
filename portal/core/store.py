"""The process's connection pool to Redis, for what must not wait: limits and announcements."""

import os
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

TIMEOUT_S = 1.0


@cache
def redis_client() -> redis.Redis:
    """Return the shared client; it fails within a second rather than hold up a request."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),  # by default redis-py tries again for seconds
    )


class Lines:
    """Connections for a few commands at once, at half the CPU time of a pipeline.

    The one used last is used next, so there are no more than exchanges under way at once. After a
    failure none is used again: what failed one has as a rule ended all.
    """

    def __init__(self, owner: Any) -> None:
        self._pool = owner.connection_pool
        self._idle: list[Any] = []
        os.register_at_fork(after_in_child=self._idle.clear)

    def exchange(self, *commands: Sequence[bytes]) -> list[Any]:
        """Send commands in one packet and return their replies.

        Raises
        ------
        redis.RedisError
            When Redis is unreachable or refuses one of them.
        """
        try:
            connection = self._idle.pop()
        except IndexError:
            # Not by the pool's own method: it counts up to a limit and never learns that one went.
            connection = self._pool.connection_class(**self._pool.connection_kwargs)
        try:
            connection.send_packed_command([b"".join(map(_packed, commands))])
            replies = [connection.read_response() for _command in commands]
        except redis.RedisError:
            self._idle.clear()
            connection.disconnect()
            raise
        self._idle.append(connection)
        return replies


@lru_cache(maxsize=1)
def _lines(owner: Any) -> Lines:
    return Lines(owner)


def exchange(*commands: Sequence[bytes]) -> list[Any]:
    """Send commands of the shared client in one packet, see :meth:`Lines.exchange`."""
    return _lines(redis_client()).exchange(*commands)


def _packed(command: Sequence[bytes]) -> bytes:
    parts = b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in command)
    return b"*%d\r\n%b" % (len(command), parts)
