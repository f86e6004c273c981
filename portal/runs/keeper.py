"""The thread beside a running run: renews the lease, writes events, ends what must end."""

import os
import signal
import threading
import time
from types import TracebackType

import psutil
import structlog
from billiard.process import current_process
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from portal.runs import leases
from portal.runs.models import Run, State
from portal.runs.outbox import FLUSH_EVERY_S, Outbox
from portal.runs.resources import Meter

LOOK_EVERY_S = 1.0
CLOSE_TIMEOUT_S = 10.0

log = structlog.get_logger(__name__)


def kill_own_pool_child() -> None:
    """End this process and its children at once if it is a pool child, which the pool replaces."""
    if current_process().name == "MainProcess":
        return
    for child in psutil.Process().children(recursive=True):
        child.kill()
    os.kill(os.getpid(), signal.SIGKILL)


class Keeper:
    """Keeps one attempt alive for the time of a ``with`` block.

    Attributes
    ----------
    cancel_requested
        Set when somebody asked for the run to stop.
    lost
        Set when this attempt no longer owns the run.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.outbox = Outbox(run)
        self.meter = Meter()
        self.cancel_requested = threading.Event()
        self.lost = threading.Event()
        self._stop = threading.Event()
        self._stopping_since: float | None = None
        self._next_renewal = time.monotonic() + settings.RUN_HEARTBEAT_S
        self._thread = threading.Thread(target=self._work, name=f"keeper-{run.pk}", daemon=True)

    def __enter__(self) -> "Keeper":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self.outbox.filled.set()
        self._thread.join(CLOSE_TIMEOUT_S)

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                self._turn()
                self._stop.wait(FLUSH_EVERY_S)
                self.outbox.filled.wait(LOOK_EVERY_S)
            self._turn()
        finally:
            connection.close()

    def _turn(self) -> None:
        try:
            if not self.lost.is_set():
                self._write()
        except (DatabaseError, InterfaceError) as exc:
            log.warning("keeper_database_trouble", run_id=str(self.run.pk), error=str(exc))
            connection.close()
        if not self._stop.is_set():
            self._enforce()

    def _write(self) -> None:
        renewal_due = time.monotonic() >= self._next_renewal
        if renewal_due or self.outbox.filled.is_set():
            self.outbox.flush(**self._renewal() if renewal_due else {})
        if renewal_due:
            self._next_renewal = time.monotonic() + settings.RUN_HEARTBEAT_S
        row = leases.held(self.run).values_list("cancel_requested_at").first()
        if row is None:
            self.lost.set()
        elif row[0] is not None:
            self.cancel_requested.set()

    def _renewal(self) -> dict[str, object]:
        usage = self.meter.read()
        return {
            "lease_expires_at": leases.lease_end(),
            "heartbeat_at": Now(),
            "peak_memory_bytes": usage.peak_memory_bytes,
            "cpu_seconds": usage.cpu_seconds,
        }

    def _enforce(self) -> None:
        """Kill the work that was told to stop and did not within the grace period."""
        if not (self.lost.is_set() or self.cancel_requested.is_set()):
            return
        self._stopping_since = self._stopping_since or time.monotonic()
        if time.monotonic() - self._stopping_since < settings.RUN_CANCEL_GRACE_S:
            return
        try:
            if not self.lost.is_set():
                leases.settle(self.run, self._hard_cancel(), self.meter.read())
        except (DatabaseError, InterfaceError) as exc:
            log.warning("hard_cancel_not_written", run_id=str(self.run.pk), error=str(exc))
            connection.close()
            return
        self.lost.set()
        kill_own_pool_child()

    def _hard_cancel(self) -> leases.Outcome:
        message = _("The run did not stop within %(seconds)s s of being asked and was killed.")
        return leases.Outcome(
            State.CANCELLED,
            error_code="killed",
            error_message=message % {"seconds": settings.RUN_CANCEL_GRACE_S},
        )
