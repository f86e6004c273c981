"""Count every recorded prediction exactly once, and watch it for drift.

A turn is one transaction: it takes identifiers off the list of arrivals, counts their predictions
in the windows they belong to, and writes what came of it. Whoever dies in the middle has done
nothing; the next turn takes the same identifiers.
"""

import os
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any
from uuid import UUID

import structlog
from django.db import DatabaseError, connection

from monitoring.models import Arrival, DriftCursor
from monitoring.services.drift import cursor, events, proposals, writing
from monitoring.services.drift.batches import batches
from monitoring.services.drift.streams import Streams
from portal.lib import clock
from portal.runs.services import heartbeats
from predictions import selectors as predictions

log = structlog.get_logger(__name__)

ROLE = "watcher"
#: Predictions in one turn; bounds its memory and how much is done again after a death.
MOST = 5_000
#: Between two turns while little comes; half of it is the usual lag.
PAUSE_S = 0.5
BEAT_EVERY_S = 5.0
BACKOFF_S = (0.2, 0.5, 1.0, 2.0)
#: Holds the place of the one process that counts; others stand by.
PLACE = 7_206_981
_TAKE = """
    DELETE FROM monitoring_arrival WHERE prediction_id IN (
        SELECT prediction_id FROM monitoring_arrival ORDER BY prediction_id LIMIT %s
    ) RETURNING prediction_id
"""


@dataclass(frozen=True)
class Turn:
    """What one turn did."""

    n_counted: int = 0
    n_opened: int = 0


class Follower:
    """Counts predictions in this process.

    Attributes
    ----------
    n_counted : int
        Predictions counted by this process.
    """

    def __init__(self) -> None:
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self.n_counted = 0
        self._streams = Streams()
        self._turn = -1
        self._session: Any = None
        self._beat_due = 0.0
        self._n_failures = 0
        self._lag_s = 0.0

    def run(self, stop: Event, between: Callable[[], object] = lambda: None) -> None:
        """Count until `stop` is set; the turn in hand is finished first.

        Parameters
        ----------
        stop
            Ends the loop.
        between
            Called every few seconds by the process that counts.
        """
        while not stop.is_set():
            try:
                turn = self.turn() if self._is_first() else Turn()
                self._every_so_often(between)
                self._n_failures = 0
                if turn.n_counted < MOST:
                    stop.wait(PAUSE_S)
            except DatabaseError as exc:
                self._recover(exc)
                stop.wait(BACKOFF_S[min(self._n_failures, len(BACKOFF_S)) - 1])
        heartbeats.forget(self._beat_name)

    def turn(self) -> Turn:
        """Count what has arrived, at most `MOST`.

        Raises
        ------
        django.db.DatabaseError
            When Postgres is away; nothing was counted then.
        """
        if not Arrival.objects.exists():
            self._lag_s = 0.0
            return Turn()
        try:
            with cursor.alone() as place:
                if place.turn - 1 != self._turn:
                    self._streams.forget()
                turn = self._count(place)
        except BaseException:
            self._streams.forget()
            self._turn = -1
            raise
        self._turn = place.turn
        self.n_counted += turn.n_counted
        return turn

    def _count(self, place: DriftCursor) -> Turn:
        ids = _taken()
        if not ids:
            return Turn()
        answered = predictions.answered(ids)
        at = clock.now()
        self._streams.renew()
        for stream in batches(answered, self._streams):
            stream.series.count(stream.batch)
        touched = self._streams.touched()
        writing.write(touched)
        opened = [event for series in touched for event in events.note(series, at)]
        for model in {event.window.version.model for event in opened}:
            proposals.consider(model=model, at=at)
        self._streams.settle()
        place.n_counted += len(answered)
        place.last_id = ids[-1]
        if answered:
            self._lag_s = max(0.0, at.timestamp() - answered[0].at_s)
        return Turn(len(ids), len(opened))

    # --- The process ------------------------------------------------------------------------------
    def _is_first(self) -> bool:
        """Whether this session holds the place; the server frees it when the process dies."""
        connection.ensure_connection()
        if self._session is not None and connection.connection is self._session:
            return True
        with connection.cursor() as query:
            query.execute("SELECT pg_try_advisory_lock(%s)", [PLACE])
            (is_first,) = query.fetchone()
        self._session = connection.connection if is_first else None
        return bool(is_first)

    def _recover(self, exc: Exception) -> None:
        self._n_failures += 1
        log.warning("watcher_waits", error=str(exc), failures=self._n_failures)
        self._session = None
        connection.close()

    @property
    def _beat_name(self) -> str:
        return f"{ROLE}@{self.name}"

    def _every_so_often(self, between: Callable[[], object]) -> None:
        if time.monotonic() < self._beat_due:
            return
        if self._session is not None:
            between()
        heartbeats.beat(
            self._beat_name,
            role=ROLE,
            counted=self.n_counted,
            lag_seconds=round(self._lag_s, 2),
            is_first=self._session is not None,
        )
        self._beat_due = time.monotonic() + BEAT_EVERY_S


def _taken() -> Sequence[UUID]:
    """Take the first arrivals off the list; they are gone when the transaction commits."""
    with connection.cursor() as query:
        query.execute(_TAKE, [MOST])
        return sorted(row[0] for row in query.fetchall())
