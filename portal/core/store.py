"""The process's connection pool to Redis, for what must not wait: limits and announcements."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(eq=False)
class _Line:
    """A connection, and how many replies of Redis nobody has read from it yet."""

    connection: Any
    n_owed: int = 0

    def send(self, commands: Sequence[Sequence[bytes]]) -> None:
        self.connection.send_packed_command([b"".join(map(_packed, commands))])
        self.n_owed += len(commands)

    def read(self) -> list[Any]:
        replies = [self.connection.read_response() for _number in range(self.n_owed)]
        self.n_owed = 0
        return replies


class Lines:
    """Connections for a few commands at once, at half the CPU time of a pipeline.

    The one used last is used next, so there are no more than exchanges under way at once. After a
    failure none is used again: what failed one has as a rule ended all.
    """

    def __init__(self, owner: Any) -> None:
        self._pool = owner.connection_pool
        self._idle: list[_Line] = []
        os.register_at_fork(after_in_child=self._idle.clear)

    def exchange(self, *commands: Sequence[bytes]) -> list[Any]:
        """Send commands in one packet and return their replies.

        Raises
        ------
        redis.RedisError
            When Redis is unreachable or refuses one of them, or one posted on this line before.
        """
        line = self._taken()
        try:
            line.send(commands)
            replies = line.read()
        except redis.RedisError:
            self._drop(line)
            raise
        self._idle.append(line)
        return replies[-len(commands) :]

    def post(self, *commands: Sequence[bytes]) -> None:
        """Send commands in one packet and do not wait for what Redis says.

        Whoever uses the line next reads it, and is told when Redis refused.

        Raises
        ------
        redis.RedisError
            When Redis is unreachable, or refused what was posted on this line before.
        """
        line = self._taken()
        try:
            line.read()
            line.send(commands)
        except redis.RedisError:
            self._drop(line)
            raise
        self._idle.append(line)

    def _taken(self) -> _Line:
        try:
            return self._idle.pop()
        except IndexError:
            # Not by the pool's own method: it counts up to a limit and never learns that one went.
            return _Line(self._pool.connection_class(**self._pool.connection_kwargs))

    def _drop(self, line: _Line) -> None:
        self._idle.clear()
        line.connection.disconnect()


@lru_cache(maxsize=1)
def _lines(owner: Any) -> Lines:
    return Lines(owner)


def exchange(*commands: Sequence[bytes]) -> list[Any]:
    """Send commands of the shared client in one packet, see :meth:`Lines.exchange`."""
    return _lines(redis_client()).exchange(*commands)


def post(*commands: Sequence[bytes]) -> None:
    """Send commands of the shared client and wait for nothing, see :meth:`Lines.post`."""
    _lines(redis_client()).post(*commands)


def _packed(command: Sequence[bytes]) -> bytes:
    parts = b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in command)
    return b"*%d\r\n%b" % (len(command), parts)
