"""Answers that are kept: in this process, and in Redis for all processes.

A key names everything an answer depends on, the state of the index included, so nothing is ever
taken back: what belonged to an older state is simply not asked for again. An answer is made once
for all who ask for it at the same time, in this process and, while Redis answers, in the others.

In Redis an answer lies in one of a fixed number of places, chosen by its key; whatever comes to the
same place replaces it. Redis also holds the queues and drops nothing by itself, so what the cache
takes there must have an end: places times the greatest length of an answer.
"""

import hashlib
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import redis

from portal.core.store import exchange, post
from portal.lib import metrics

REQUESTS = metrics.counter(
    "portal_cache_requests_total",
    "Answers asked of a cache, by whether and where it had them.",
    ["cache", "result", "level"],
)
HIT, MISS = "hit", "miss"
#: Where an answer was: here, in Redis, being made by somebody else at this moment, nowhere.
PROCESS, SHARED, JOINED, NOWHERE = "process", "shared", "joined", "nowhere"

KEY_BYTES = 20
#: Longer answers are kept in the process alone.
LONGEST_SHARED = 64 << 10
#: An entry costs about so much beside its content.
OVERHEAD_BYTES = 400
PAUSE_WITHOUT_REDIS_S = 5.0
#: How long one process waits for another that makes the same answer; then it makes it itself.
FLIGHT_S = 0.5
FLIGHT_STEPS_S = (0.002, 0.004, 0.008, 0.016, 0.032)
#: Threads of one process wait for the thread that makes the answer at most this long.
JOIN_S = 30.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Made:
    """A new answer; one that is not to be kept goes only to those who wait for it now."""

    content: bytes
    is_kept: bool = True


@dataclass(frozen=True)
class Found:
    """An answer and where it was."""

    content: bytes
    level: str

    @property
    def is_hit(self) -> bool:
        return self.level != NOWHERE


Make = Callable[[], Made]


def key_of(essence: bytes) -> bytes:
    """Return the key of what an answer depends on."""
    return hashlib.blake2b(essence, digest_size=KEY_BYTES).digest()


class Cache:
    """Answers by key, on two levels; safe for threads.

    Parameters
    ----------
    name
        In metrics and in Redis.
    process_bytes
        What is kept in this process; 0 keeps nothing here.
    shared_bytes
        What is kept in Redis at most; 0 keeps nothing there.
    ttl_s
        How long an answer that nobody replaces lies in Redis.
    most_joined
        So many threads may wait for answers that others make; None sets no bound.
    """

    def __init__(
        self,
        name: str,
        *,
        process_bytes: int,
        shared_bytes: int,
        ttl_s: int,
        most_joined: int | None = None,
    ) -> None:
        self.name = name
        self._seats = threading.BoundedSemaphore(most_joined) if most_joined else None
        self._near = _Near(process_bytes)
        self._far = _Far(name, shared_bytes // LONGEST_SHARED, ttl_s)
        self._flights: dict[bytes, _Flight] = {}
        self._lock = threading.Lock()

    def get(self, key: bytes, make: Make) -> Found:
        """Return the answer of a key, made by `make` if nobody has it.

        What `make` raises is raised to all who wait for this answer.
        """
        found = self._found(key, make)
        REQUESTS.labels(self.name, HIT if found.is_hit else MISS, found.level).inc()
        return found

    def clear(self) -> None:
        """Forget what this process keeps."""
        self._near.clear()

    def _found(self, key: bytes, make: Make) -> Found:
        content = self._near.get(key)
        if content is not None:
            return Found(content, PROCESS)
        with self._lock:
            flight = self._flights.get(key)
            is_first = flight is None
            if flight is None:
                flight = self._flights[key] = _Flight()
        if not is_first:
            joined = self._joined(flight)
            return Found(joined, JOINED) if joined is not None else self._kept(key, make())
        try:
            found = self._shared(key, make)
        except BaseException as exc:
            flight.fail(exc)
            raise
        else:
            flight.land(found.content)
            return found
        finally:
            with self._lock:
                self._flights.pop(key, None)

    def _joined(self, flight: "_Flight") -> bytes | None:
        """Wait for what another thread makes; None when that takes too long or too many do."""
        if self._seats is None:
            return flight.wait()
        if not self._seats.acquire(blocking=False):
            return None
        try:
            return flight.wait()
        finally:
            self._seats.release()

    def _shared(self, key: bytes, make: Make) -> Found:
        """Return what Redis has, or what another process makes now, or make it."""
        content, is_ours = self._far.look(key)
        if content is None and not is_ours:
            content = self._far.wait(key)
        if content is not None:
            self._near.put(key, content)
            return Found(content, SHARED)
        try:
            made = make()
        except BaseException:
            self._far.let_go(key)
            raise
        if is_ours:
            self._far.put(key, made)
        return self._kept(key, made)

    def _kept(self, key: bytes, made: Made) -> Found:
        if made.is_kept:
            self._near.put(key, made.content)
        return Found(made.content, NOWHERE)


class _Flight:
    """An answer being made, and those who wait for it."""

    def __init__(self) -> None:
        self._landed = threading.Event()
        self._content: bytes | None = None
        self._error: BaseException | None = None

    def land(self, content: bytes) -> None:
        self._content = content
        self._landed.set()

    def fail(self, error: BaseException) -> None:
        self._error = error
        self._landed.set()

    def wait(self) -> bytes | None:
        """Return the answer, None when it took too long; raise what its making raised."""
        self._landed.wait(JOIN_S)
        if isinstance(self._error, Exception):
            raise self._error
        return self._content


class _Near:
    """The most recently asked answers, up to a number of bytes."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._size_bytes = 0
        self._entries: OrderedDict[bytes, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: bytes) -> bytes | None:
        with self._lock:
            content = self._entries.get(key)
            if content is not None:
                self._entries.move_to_end(key)
            return content

    def put(self, key: bytes, content: bytes) -> None:
        size = len(content) + OVERHEAD_BYTES
        if size > self._most_bytes:
            return
        with self._lock:
            old = self._entries.pop(key, None)
            if old is not None:
                self._size_bytes -= len(old) + OVERHEAD_BYTES
            self._entries[key] = content
            self._size_bytes += size
            while self._size_bytes > self._most_bytes:
                _key, dropped = self._entries.popitem(last=False)
                self._size_bytes -= len(dropped) + OVERHEAD_BYTES

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._size_bytes = 0


class _Far:
    """The answers that processes share, and who makes which at this moment."""

    def __init__(self, name: str, n_places: int, ttl_s: int) -> None:
        self._name = name
        self._n_places = n_places
        self._ttl_s = ttl_s
        self._blind_until = 0.0

    def look(self, key: bytes) -> tuple[bytes | None, bool]:
        """Return the answer, or whether the caller is the one to make it, in one exchange."""
        if self._is_blind():
            return None, True
        try:
            kept, is_ours = exchange(
                (b"GET", self._place(key)),
                (b"SET", self._flight(key), b"1", b"NX", b"PX", b"%d" % (1000 * FLIGHT_S)),
            )
        except redis.RedisError as exc:
            self._lose_sight(exc)
            return None, True
        content = _own(kept, key)
        if content is not None and is_ours:
            self.let_go(key)
        return content, bool(is_ours)

    def wait(self, key: bytes) -> bytes | None:
        """Return what another process makes, None when it does not come in time."""
        deadline = time.monotonic() + FLIGHT_S
        for number in range(1_000):
            time.sleep(FLIGHT_STEPS_S[min(number, len(FLIGHT_STEPS_S) - 1)])
            try:
                kept, is_under_way = exchange(
                    (b"GET", self._place(key)), (b"EXISTS", self._flight(key))
                )
            except redis.RedisError as exc:
                self._lose_sight(exc)
                return None
            content = _own(kept, key)
            if content is not None or not is_under_way or time.monotonic() > deadline:
                return content
        return None

    def put(self, key: bytes, made: Made) -> None:
        """Keep an answer and say that nobody makes it any more; nobody waits until it is kept."""
        if self._is_blind():
            return
        commands: list[tuple[bytes, ...]] = [(b"DEL", self._flight(key))]
        if made.is_kept and len(made.content) <= LONGEST_SHARED - KEY_BYTES:
            content = key + made.content
            commands.insert(0, (b"SET", self._place(key), content, b"EX", b"%d" % self._ttl_s))
        try:
            post(*commands)
        except redis.RedisError as exc:
            self._lose_sight(exc)

    def let_go(self, key: bytes) -> None:
        """Say that nobody makes this answer any more."""
        if self._is_blind():
            return
        try:
            post((b"DEL", self._flight(key)))
        except redis.RedisError as exc:
            self._lose_sight(exc)

    def _is_blind(self) -> bool:
        return self._n_places == 0 or time.monotonic() < self._blind_until

    def _lose_sight(self, exc: redis.RedisError) -> None:
        self._blind_until = time.monotonic() + PAUSE_WITHOUT_REDIS_S
        logger.warning("the cache %s goes on without Redis: %s", self._name, exc)

    def _place(self, key: bytes) -> bytes:
        number = int.from_bytes(key[:8], "big") % self._n_places
        return b"millwright:cache:%b:%d" % (self._name.encode(), number)

    def _flight(self, key: bytes) -> bytes:
        return b"millwright:flight:%b:%b" % (self._name.encode(), key.hex().encode())


def _own(kept: bytes | None, key: bytes) -> bytes | None:
    """Return the content of a place when it is that of the key."""
    return kept[KEY_BYTES:] if kept is not None and kept.startswith(key) else None
