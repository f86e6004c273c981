"""Move predictions from the Redis stream into the table: batches, commit, then acknowledge.

A row may come twice (a recorder died after its commit, a web process wrote again what it feared
lost); the insert ignores the second. Entries of a recorder that died are claimed by the next. An
entry that Postgres cannot hold is set aside with an alert and never blocks the others.
"""

import os
import socket
import time
from collections.abc import Callable, Sequence
from threading import Event
from typing import Any

import msgspec
import redis
import structlog
from django.conf import settings
from django.db import DatabaseError, DataError, IntegrityError, connection
from django.utils.translation import gettext as _
from redis.backoff import NoBackoff
from redis.retry import Retry

from portal.core import alerts
from portal.runs.services import heartbeats
from predictions.services import counts, records, stream
from predictions.services.stream import Entry

log = structlog.get_logger(__name__)

BLOCK_MS = 500
#: Entries gather this long, so that a steady stream makes one commit for many predictions.
LINGER_S = 0.05
#: A recorder that left entries alone this long is taken for dead.
CLAIM_IDLE_MS = 5_000
CLAIM_EVERY_S = 2.0
FORGET_CONSUMER_MS = 3_600_000
BEAT_EVERY_S = 5.0
BACKOFF_S = (0.1, 0.2, 0.5, 1.0, 2.0)
ROLE = "recorder"
DEAD_ALERT = "predictions.recorder.dead_letters"


class Recorder:
    """One consumer of the group.

    Parameters
    ----------
    name : str, optional
        Of the consumer; unique among those that run. By default host and process.
    on_rows : callable, optional
        Told the earliest moment among rows that were just written, in seconds since 1970.
    """

    def __init__(self, name: str = "", on_rows: Callable[[float], None] | None = None) -> None:
        self.name = name or f"{socket.gethostname()}:{os.getpid()}"
        self._on_rows = on_rows
        self.n_recorded = 0
        self._redis: Any = redis.Redis.from_url(
            settings.REDIS_URL, socket_timeout=10, retry=Retry(NoBackoff(), 0)
        )
        self._due: dict[Callable[[], object], float] = {}
        self._n_failures = 0

    def run(self, stop: Event) -> None:
        """Record until `stop` is set; the batch in hand is finished first."""
        while not stop.is_set():
            try:
                self.turn()
                self._n_failures = 0
            except (redis.RedisError, DatabaseError) as exc:
                self._recover(exc)
                stop.wait(BACKOFF_S[min(self._n_failures, len(BACKOFF_S)) - 1])
        self._leave()

    def turn(self) -> int:
        """Take what waits, write it, acknowledge it; return the number of entries.

        Raises
        ------
        redis.RedisError, django.db.DatabaseError
            When a store is down; nothing was acknowledged that was not committed.
        """
        self._every(BEAT_EVERY_S, self._beat)
        entries = self._every(CLAIM_EVERY_S, self._claim) or self._read()
        if not entries:
            return 0
        self._store(entries)
        if len(entries) < stream.READ_ENTRIES:
            time.sleep(LINGER_S)
        return len(entries)

    def _every(self, period_s: float, call: Callable[[], Any]) -> Any:
        moment = time.monotonic()
        if moment < self._due.get(call, 0.0):
            return None
        result = call()
        self._due[call] = moment + period_s
        return result

    def _recover(self, exc: Exception) -> None:
        """Prepare the next try: a fresh connection, and the group again if Redis lost it."""
        self._n_failures += 1
        log.warning("recorder_waits", error=str(exc), failures=self._n_failures)
        connection.close()
        if isinstance(exc, redis.ResponseError) and str(exc).startswith("NOGROUP"):
            self._due.clear()

    # --- Redis ----------------------------------------------------------------------------------
    def _read(self) -> list[Entry]:
        try:
            reply = self._redis.xreadgroup(
                stream.GROUP,
                self.name,
                {stream.STREAM: ">"},
                count=stream.READ_ENTRIES,
                block=BLOCK_MS,
            )
        except redis.ResponseError as exc:
            if not str(exc).startswith("NOGROUP"):
                raise
            self._create_group()
            return []
        return stream.entries_of(reply[0][1]) if reply else []

    def _create_group(self) -> None:
        try:
            self._redis.xgroup_create(stream.STREAM, stream.GROUP, id="0", mkstream=True)
        except redis.ResponseError as exc:
            if not str(exc).startswith("BUSYGROUP"):
                raise

    def _claim(self) -> list[Entry]:
        """Take over what a dead recorder, or this one before an outage, left unfinished."""
        try:
            reply = self._redis.xautoclaim(
                stream.STREAM,
                stream.GROUP,
                self.name,
                min_idle_time=CLAIM_IDLE_MS,
                count=stream.READ_ENTRIES,
            )
        except redis.ResponseError as exc:
            if not str(exc).startswith("NOGROUP"):
                raise
            self._create_group()
            return []
        self._forget_dead_consumers()
        return stream.entries_of(reply[1])

    def _forget_dead_consumers(self) -> None:
        for consumer in self._redis.xinfo_consumers(stream.STREAM, stream.GROUP):
            if not consumer["pending"] and consumer["idle"] > FORGET_CONSUMER_MS:
                self._redis.xgroup_delconsumer(stream.STREAM, stream.GROUP, consumer["name"])

    def _done(self, entries: Sequence[Entry]) -> None:
        ids = [entry.id for entry in entries]
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.xack(stream.STREAM, stream.GROUP, *ids)
            pipe.xdel(stream.STREAM, *ids)
            pipe.execute()

    def _set_aside(self, entry: Entry, error: Exception) -> None:
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.xadd(stream.DEAD, {stream.FIELD: entry.data, b"error": str(error)[:500]})
            pipe.xack(stream.STREAM, stream.GROUP, entry.id)
            pipe.xdel(stream.STREAM, entry.id)
            pipe.execute()
        log.error("prediction_set_aside", entry=entry.id.decode(), error=str(error))
        n_dead = stream.dead()
        alerts.raise_alert(
            DEAD_ALERT,
            "critical",
            lambda: (
                _(
                    "%(count)d entries of recorded predictions cannot be written to the table and "
                    "were set aside. Last error: %(error)s. When the cause is gone, run: "
                    "manage.py record_predictions --retry-dead"
                )
                % {"count": n_dead, "error": str(error)[:300]}
            ),
        )

    def _leave(self) -> None:
        """Take the name out of the group, unless entries still hang on it."""
        try:
            for consumer in self._redis.xinfo_consumers(stream.STREAM, stream.GROUP):
                if consumer["name"].decode() == self.name and not consumer["pending"]:
                    self._redis.xgroup_delconsumer(stream.STREAM, stream.GROUP, self.name)
            heartbeats.forget(self._beat_name)
        except (redis.RedisError, DatabaseError) as exc:
            log.warning("recorder_left_its_name", error=str(exc))

    # --- Postgres -------------------------------------------------------------------------------
    def _store(self, entries: Sequence[Entry]) -> None:
        """Commit the entries' rows and acknowledge them; halve a batch that Postgres refuses."""
        try:
            rows = [record for entry in entries for record in records.decode(entry.data)]
            if rows:
                records.insert(rows)
        except (msgspec.MsgspecError, DataError, IntegrityError) as exc:
            if len(entries) == 1:
                self._set_aside(entries[0], exc)
                return
            middle = len(entries) // 2
            self._store(entries[:middle])
            self._store(entries[middle:])
            return
        if rows and self._on_rows is not None:
            self._on_rows(min(row.at for row in rows))
        self._done(entries)
        self.n_recorded += len(rows)
        counts.WRITTEN.labels("stream").inc(len(rows))

    @property
    def _beat_name(self) -> str:
        return f"{ROLE}@{self.name}"

    def _beat(self) -> None:
        heartbeats.beat(
            self._beat_name, role=ROLE, waiting=stream.waiting(), recorded=self.n_recorded
        )


def retry_dead() -> int:
    """Put the entries set aside back into the stream; return how many.

    Raises
    ------
    redis.RedisError
        When Redis is unreachable.
    """
    count = 0
    redis_client = stream.client()
    for key, fields in redis_client.xrange(stream.DEAD):
        with redis_client.pipeline(transaction=True) as pipe:
            pipe.xadd(stream.STREAM, {stream.FIELD: fields[stream.FIELD]})
            pipe.xdel(stream.DEAD, key)
            pipe.execute()
        count += 1
    alerts.resolve_alert(DEAD_ALERT)
    return count
