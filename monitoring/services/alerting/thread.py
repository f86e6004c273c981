"""One thread on each machine that follows the rules and sends what they say.

It lives in the main process of a worker, as the sampler does; several machines share the work.
"""

import threading
import time

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from monitoring.services.alerting import planning, pulse, sending
from monitoring.services.alerting.courier import Courier
from monitoring.services.alerting.parts import Parts
from monitoring.services.sampling import HostLock
from portal.runs import provenance
from portal.runs.services import heartbeats

log = structlog.get_logger(__name__)

ROLE = "notifier"
LOCK_NAME = "notifier.lock"
LOOK_EVERY_S = 15.0


class Thread(threading.Thread):
    """Takes turns as long as this process has the machine's lock."""

    def __init__(self, name: str = ROLE) -> None:
        super().__init__(name=name, daemon=True)
        self.stopping = threading.Event()
        self._lock = HostLock(settings.HOME / "metrics" / LOCK_NAME)
        self._courier = Courier()
        self._parts = Parts()
        self._look_due = 0.0

    def run(self) -> None:
        while not self.stopping.is_set():
            try:
                if self._lock.hold():
                    self.turn()
            except (DatabaseError, InterfaceError) as exc:
                log.warning("notifier_database_trouble", error=str(exc))
            except Exception:  # the thread must outlive whatever a turn meets
                log.exception("notifier_trouble")
            finally:
                connection.close()  # a fork must not inherit it
            self.stopping.wait(settings.ALERT_EVERY_S)
        self._courier.kill()
        self._lock.release()

    def turn(self) -> None:
        """Follow the rules once, and send what waits."""
        for step in (self._look, planning.turn, self._send, self._reply, self._ping):
            try:
                step()
            except (DatabaseError, InterfaceError):
                raise
            except Exception:  # what one step meets must not keep the others from telling
                log.exception("notifier_trouble", step=step.__name__)
        heartbeats.beat(f"{ROLE}@{provenance.host()}", role=ROLE)

    def _look(self) -> None:
        if time.monotonic() >= self._look_due:
            self._look_due = time.monotonic() + LOOK_EVERY_S
            self._parts.note(pulse.looked())

    def _send(self) -> None:
        sending.turn(self._courier)

    def _reply(self) -> None:
        sending.turn_replies(self._courier)

    def _ping(self) -> None:
        pulse.turn(self._courier)
