"""Make an answered prediction durable before its answer leaves.

The way is an append to a Redis stream, from which the recorder fills the table. When Redis is down
or full, or in strict mode, the row is inserted at once. When neither takes it there is no answer.

Redis hands its append-only file to the kernel before it answers, except while an earlier fsync is
still under way: then a killed Redis can lose the last moments. So every process keeps what it
appended lately and writes it straight into the table when its Redis breaks off.
"""

import threading
import time
from collections import deque
from collections.abc import Sequence

import redis
import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.utils.translation import gettext as _

from portal.core.errors import Unavailable
from predictions.services import counts, records, stream
from predictions.services.records import Record

log = structlog.get_logger(__name__)

#: Redis postpones a write by at most two seconds behind a slow fsync; kept twice over.
TAIL_S = 4.0
TAIL_BYTES = 64 << 20
CHECK_S = 1.0
#: After Redis failed, this long every record goes to Postgres without asking Redis again.
PAUSE_S = 0.5


class Tail:
    """What this process appended in the last seconds, written again when Redis breaks off."""

    def __init__(self) -> None:
        self._recent: deque[tuple[float, bytes]] = deque()
        self._recent_bytes = 0
        self._owed: deque[bytes] = deque()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def keep(self, entries: Sequence[bytes]) -> None:
        """Remember entries that Redis just took."""
        moment = time.monotonic()
        with self._lock:
            self._recent.extend((moment, data) for data in entries)
            self._recent_bytes += sum(map(len, entries))
        self._forget(moment)
        if not self._wake.is_set():
            self._watch()

    def owe(self) -> None:
        """Note that Redis broke off: what was kept must reach the table by another way."""
        with self._lock:
            while self._recent:
                self._owed.append(self._recent.popleft()[1])
            self._recent_bytes = 0
        self._watch()

    def settle(self) -> int:
        """Write everything owed; return how many entries that were.

        Raises
        ------
        django.db.DatabaseError
            When Postgres does not take it either; it stays owed.
        """
        count = 0
        while self._owed:
            insert_now(records.decode(self._owed[0]))
            self._owed.popleft()
            count += 1
        return count

    def _forget(self, moment: float) -> None:
        recent = self._recent
        with self._lock:
            while recent and (recent[0][0] < moment - TAIL_S or self._recent_bytes > TAIL_BYTES):
                self._recent_bytes -= len(recent.popleft()[1])

    def _watch(self) -> None:
        with self._lock:
            self._wake.set()
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._guard, name="prediction-tail", daemon=True
                )
                self._thread.start()

    def _guard(self) -> None:
        """Look after Redis while anything is kept, so that a break is noticed without traffic."""
        while True:
            self._wake.wait()
            time.sleep(CHECK_S)
            self._check()
            self._wake.clear()
            if self._recent or self._owed:
                self._wake.set()

    def _check(self) -> None:
        try:
            stream.client().ping()
        except redis.RedisError:
            self.owe()
        try:
            if count := self.settle():
                log.warning("predictions_written_again", entries=count)
        except DatabaseError as exc:
            log.warning("predictions_owed", entries=len(self._owed), error=str(exc))
        finally:
            connection.close()
        self._forget(time.monotonic())


tail = Tail()
_redis_paused_until = 0.0


def record(answered: Sequence[Record]) -> None:
    """Make records durable.

    Parameters
    ----------
    answered : sequence of Record
        At least one.

    Raises
    ------
    Unavailable
        When neither Redis nor Postgres took them.
    """
    if settings.STRICT_RECORDING or not _append(answered):
        try:
            insert_now(answered)
        except DatabaseError as exc:
            raise Unavailable(
                _(
                    "The prediction could not be recorded, so it is not answered: neither Redis "
                    "nor Postgres accepts writes. Try again, or send ?record=false if no record is "
                    "needed."
                ),
                code="recording_unavailable",
            ) from exc


def _append(answered: Sequence[Record]) -> bool:
    """Try the stream; return whether it took the records."""
    global _redis_paused_until
    if time.monotonic() < _redis_paused_until:
        return False
    size = stream.ENTRY_RECORDS
    entries = [
        records.encode(answered[start : start + size]) for start in range(0, len(answered), size)
    ]
    try:
        stream.append(entries)
    except redis.RedisError as exc:
        _redis_paused_until = time.monotonic() + PAUSE_S
        log.warning("prediction_stream_failed", error=str(exc))
        if isinstance(exc, redis.ConnectionError | redis.TimeoutError):
            tail.owe()
        return False
    tail.keep(entries)
    return True


def insert_now(answered: Sequence[Record]) -> None:
    """Insert records directly, over a fresh connection when the old one has died.

    Raises
    ------
    django.db.DatabaseError
        When Postgres does not take them.
    """
    if connection.in_atomic_block:
        records.insert(answered)
        return
    connection.close_if_unusable_or_obsolete()
    try:
        records.insert(answered)
    except (OperationalError, InterfaceError):
        connection.close()
        records.insert(answered)
    counts.WRITTEN.labels("direct").inc(len(answered))
