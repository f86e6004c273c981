"""The Redis stream between the web processes, which append, and the recorder.

An entry leaves the stream only after its rows are committed, so the stream's length is what still
waits.
"""

import functools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from predictions.services import prediction_ids
from predictions.services.records import Record, decode

STREAM = "millwright:predictions"
DEAD = "millwright:predictions:dead"
GROUP = "recorders"
FIELD = b"r"
_APPEND = b"*5\r\n$4\r\nXADD\r\n$%d\r\n%s\r\n$1\r\n*\r\n$1\r\nr\r\n$%%d\r\n" % (
    len(STREAM),
    STREAM.encode(),
)

#: Records in one entry; with READ_ENTRIES it bounds what the recorder holds in memory.
ENTRY_RECORDS = 100
READ_ENTRIES = 200
#: Ours: a web worker gives Redis this long before it writes to Postgres itself.
TIMEOUT_S = 1.0
#: How far the clocks of the web machine and of Redis may lie apart, and how many entries are
#: searched.
CLOCK_SKEW_MS = 3_000
SEARCH_ENTRIES = 20_000
SEARCH_PAGE = 500


@dataclass(frozen=True)
class Entry:
    """One entry of the stream as read."""

    id: bytes
    data: bytes


@functools.cache
def client() -> Any:
    """Return this process's Redis client; it fails at once, since there is another way to record.

    Untyped, because redis-py types a reply as anything any protocol version may answer.
    """
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )


class _Lines:
    """Connections for single entries, at half the CPU time of the client's way.

    The one used last is used next, so there are no more than entries on their way at once, however
    many threads a web worker has. One that failed is not used again.
    """

    def __init__(self, owner: Any) -> None:
        self._pool = owner.connection_pool
        self._idle: list[Any] = []
        os.register_at_fork(after_in_child=self._idle.clear)

    def append(self, data: bytes) -> None:
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._pool.make_connection()
        connection.send_packed_command([b"%b%b\r\n" % (_APPEND % len(data), data)])
        connection.read_response()
        self._idle.append(connection)


@functools.lru_cache(maxsize=1)
def _lines(owner: Any) -> _Lines:
    return _Lines(owner)


def append(entries: Sequence[bytes]) -> None:
    """Append encoded entries, all or none.

    Raises
    ------
    redis.RedisError
        When Redis is unreachable, loading or full.
    """
    if len(entries) == 1:
        _lines(client()).append(entries[0])
        return
    with client().pipeline(transaction=True) as pipe:
        for data in entries:
            pipe.execute_command("XADD", STREAM, "*", FIELD, data)
        pipe.execute()


def waiting() -> int:
    """Return how many entries are not written yet."""
    return int(client().xlen(STREAM))


def dead() -> int:
    """Return how many entries were set aside."""
    return int(client().xlen(DEAD))


def oldest_ms() -> int | None:
    """Return when the oldest entry that waits was made, by the clock of Redis; None without one."""
    first = client().xrange(STREAM, count=1)
    return int(first[0][0].partition(b"-")[0]) if first else None


def find(identifier: UUID) -> Record | None:
    """Return the record of a prediction that is still in the stream."""
    made_at = prediction_ids.made_at_ms(identifier)
    if made_at is None:
        return None
    first, last = max(0, made_at - CLOCK_SKEW_MS), made_at + CLOCK_SKEW_MS
    for entry in _between(first, last):
        try:
            records = decode(entry.data)
        except msgspec.MsgspecError:
            continue
        for record in records:
            if record.id == identifier.bytes:
                return record
    return None


def _between(first_ms: int, last_ms: int) -> Iterator[Entry]:
    start: bytes | int = first_ms
    for _page in range(SEARCH_ENTRIES // SEARCH_PAGE):
        page = client().xrange(STREAM, start, last_ms, count=SEARCH_PAGE)
        yield from entries_of(page)
        if len(page) < SEARCH_PAGE:
            return
        start = b"(" + page[-1][0]


def entries_of(rows: Sequence[tuple[bytes, dict[bytes, bytes] | None]]) -> list[Entry]:
    """Return entries from a reply of Redis; an entry deleted meanwhile has no fields."""
    return [Entry(key, fields.get(FIELD, b"")) for key, fields in rows if fields is not None]
