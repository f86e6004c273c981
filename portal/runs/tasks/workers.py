"""What a worker's main process does beside its pool.

It gives signs of life, sweeps at its start and whenever nobody else does, returns the run of a pool
child that died without waiting for the lease, and hands runs back when it is told to stop.
"""

import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import psutil
import structlog
from billiard.exceptions import WorkerLostError
from celery import signals
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from portal.runs.services import heartbeats, upkeep

if TYPE_CHECKING:
    from celery.worker.consumer import Consumer  # the web process need not load it

HEARTBEAT_S = 5.0
ROLE = "worker"

log = structlog.get_logger(__name__)


def _apart(work: Callable[[], Any], name: str) -> None:
    """Do database work in a thread that closes its connection, so that no fork inherits it."""

    def run() -> None:
        try:
            work()
        except (DatabaseError, InterfaceError) as exc:
            log.warning("worker_database_trouble", work=name, error=str(exc))
        finally:
            connection.close()

    threading.Thread(target=run, name=name, daemon=True).start()


class Watch(threading.Thread):
    """Signs of life, and a sweep when it is overdue."""

    def __init__(self, hostname: str, detail: dict[str, Any]) -> None:
        super().__init__(name="worker-watch", daemon=True)
        self.hostname = hostname
        self.detail = detail
        self.stopping = threading.Event()

    def run(self) -> None:
        while True:
            try:
                heartbeats.beat(self.hostname, role=ROLE, **self.detail)
                upkeep.sweep_if_overdue()
            except (DatabaseError, InterfaceError) as exc:
                log.warning("worker_database_trouble", work="watch", error=str(exc))
            except Exception:  # the watch must outlive whatever a turn meets
                log.exception("worker_watch_trouble")
            finally:
                connection.close()
            if self.stopping.wait(HEARTBEAT_S):
                return


_watches: dict[str, Watch] = {}


@signals.worker_ready.connect
def start_watch(sender: "Consumer", **_kwargs: Any) -> None:
    """Begin the signs of life when the worker takes messages; the first turn comes at once."""
    queues = sorted(sender.app.amqp.queues.consume_from)
    detail = {"queues": queues, "concurrency": sender.pool.num_processes}
    watch = _watches[sender.hostname] = Watch(sender.hostname, detail)
    _apart(upkeep.sweep, "first-sweep")
    watch.start()


@signals.worker_shutting_down.connect
def drain(sender: str, **_kwargs: Any) -> None:
    """Give short runs a moment to end, then hand the others back to the queue."""
    if watch := _watches.pop(sender, None):
        watch.stopping.set()
    children = [child.pid for child in psutil.Process().children()]
    workers = [f"{sender}:{pid}" for pid in (*children, os.getpid())]
    pause = threading.Event()

    def hand_back() -> None:
        pause.wait(settings.RUN_DRAIN_S)
        heartbeats.forget(sender)
        upkeep.hand_back(workers)

    _apart(hand_back, "drain")


@signals.task_failure.connect
def return_lost_run(task_id: str, exception: Exception, **_kwargs: Any) -> None:
    """Queue the run of a pool child that was killed; its lease need not run out first."""
    if not isinstance(exception, WorkerLostError):
        return
    _apart(
        lambda: upkeep.return_from_dead_process(task_id, is_alive=psutil.pid_exists), "return-lost"
    )
