"""The beat: settles schedules and sends periodic messages; one at a time works, others stand by.

Start with ``celery -A portal.celery beat --scheduler portal.runs.beat:Scheduler``.
"""

import os
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import QuerySet
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler

from portal.runs import messages, provenance
from portal.runs.services import heartbeats, schedules, settling
from portal.runs.tasks.execution import SWEEP

LOCK = 0x42454154  # "BEAT", the advisory lock of the beat that works
TURN_S = 1.0
HEARTBEAT_TURNS = 5
MOST_WAITING = 100
BEAT = "beat"
STANDBY = "beat-standby"
SWEEP_ENTRY = "Sweep and reap runs"
# A dead network must not keep a lock's owner waiting for hours; local sockets ignore these.
SESSION_OPTIONS = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}

log = structlog.get_logger(__name__)


class BeatLock:
    """An advisory lock in a database session of its own; it ends with the session."""

    def __init__(self) -> None:
        self._session: BaseDatabaseWrapper | None = None
        self.is_held = False

    def hold(self) -> bool:
        """Whether this process has the lock, after trying to get it; a lost session counts as lost.

        Raises
        ------
        django.db.DatabaseError, django.db.InterfaceError
            When the database does not answer.
        """
        try:
            if self.is_held:
                self._ask("SELECT true")
            else:
                self.is_held = bool(self._ask("SELECT pg_try_advisory_lock(%s)", LOCK))
        except (DatabaseError, InterfaceError):
            self.release()
            raise
        return self.is_held

    def release(self) -> None:
        """Give the lock up by closing its session."""
        self.is_held = False
        if self._session is not None:
            self._session.close()
            self._session = None

    def _ask(self, query: str, *values: int) -> object:
        if self._session is None:
            # Not the thread's connection, which is closed when it grows old.
            self._session = connection.copy()
            options = self._session.settings_dict["OPTIONS"]
            self._session.settings_dict["OPTIONS"] = SESSION_OPTIONS | options
        with self._session.cursor() as cursor:
            cursor.execute(query, values)
            return cursor.fetchone()[0]


class Scheduler(DatabaseScheduler):  # type: ignore[misc]  # untyped library
    """The database scheduler, safe to run twice and across restarts of Postgres and Redis."""

    # With a producer of its own a tick would wait for Redis for minutes; without one, messages go
    # through the app's pool, which reconnects and gives up soon.
    producer = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.lock = BeatLock()
        self._turn = 0
        self._leads = False
        super().__init__(*args, **kwargs)
        self.max_interval = TURN_S

    def setup_schedule(self) -> None:
        """Leave the database alone until this beat has the lock."""

    def enabled_models_qs(self) -> QuerySet[Any]:
        """Select the beat entries sent as plain messages; those of schedules are settled here."""
        entries: QuerySet[Any] = super().enabled_models_qs()
        return entries.filter(run_schedule__isnull=True)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Do what is due and return the seconds to sleep."""
        try:
            close_old_connections()
            if not self.lock.hold():
                self._stand_by()
                return TURN_S
            if not self._leads:
                self._take_over()
            settling.settle_due()
            self._show_life(BEAT, BEAT)
            return min(float(super().tick(*args, **kwargs)), TURN_S)
        except (DatabaseError, InterfaceError) as exc:
            log.warning("beat_database_trouble", error=str(exc))
            self._leads = False
            self.lock.release()
            connection.close()
            return TURN_S

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        """Send an entry's message, unless nobody takes those that its queue already holds.

        Redis keeps messages that expired until a worker looks at them, so a queue without workers
        would grow with every beat.
        """
        queue = entry.options.get("queue") or settings.CELERY_TASK_DEFAULT_QUEUE
        try:
            n_waiting = messages.n_waiting(queue)
        except messages.BROKER_DOWN as exc:
            log.warning("beat_broker_trouble", entry=entry.name, error=str(exc))
            return
        if n_waiting >= MOST_WAITING:
            log.warning("beat_queue_full", entry=entry.name, queue=queue, waiting=n_waiting)
            return
        super().apply_entry(entry, producer=producer)

    def sync(self) -> None:
        """Write when entries were last sent; only the beat that works knows."""
        if self._leads:
            super().sync()

    def close(self) -> None:
        """End in good order, so that a standing-by beat takes over at once."""
        super().close()
        self._leads = False
        self.lock.release()

    def _take_over(self) -> None:
        log.info("beat_takes_over", pid=os.getpid())
        ensure_sweep_entry()
        schedules.ensure_declared()
        heartbeats.forget(self._standby_name())
        self._dirty.clear()
        self._initial_read = True
        self._heap = None
        self._leads = True
        self._turn = 0

    def _stand_by(self) -> None:
        if self._leads:
            log.warning("beat_lost_its_lock", pid=os.getpid())
        self._leads = False
        self._show_life(self._standby_name(), STANDBY)

    def _show_life(self, name: str, role: str) -> None:
        if self._turn % HEARTBEAT_TURNS == 0:
            heartbeats.beat(name, role=role)
        self._turn += 1

    def _standby_name(self) -> str:
        return f"{STANDBY}:{provenance.host()}:{os.getpid()}"


def ensure_sweep_entry() -> None:
    """Create the beat entry that calls for sweeps, unless there is one, changed or not."""
    if PeriodicTask.objects.filter(name=SWEEP_ENTRY).exists():
        return
    every, _new = IntervalSchedule.objects.get_or_create(
        every=settings.RUN_SWEEP_S, period=IntervalSchedule.SECONDS
    )
    PeriodicTask.objects.create(
        name=SWEEP_ENTRY,
        task=SWEEP,
        interval=every,
        queue="maintenance",
        expire_seconds=max(settings.RUN_SWEEP_S, 2),
        description="Sends again what was lost and takes runs from silent workers.",
    )
