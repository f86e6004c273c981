"""One thread on each machine that reads what is used and takes what was counted.

It lives in the main process of a worker. Of the workers of a machine the one with the lock does it;
when that one dies, another has the lock at its next turn.
"""

import fcntl
import os
import threading
import time
from pathlib import Path

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from redis.exceptions import RedisError

from monitoring.services import series, usage
from monitoring.services.metering import HostMeter, RunMeters
from monitoring.services.objectives import burning
from monitoring.services.quality import quarantine
from portal.lib import metrics
from portal.runs import provenance
from portal.runs.models import Run
from portal.runs.services import heartbeats

log = structlog.get_logger(__name__)

EVERY_S = 5.0
MINUTE_S = 60.0
ROLE = "sampler"
LOCK_NAME = "sampler.lock"
SPENT = metrics.counter(
    "portal_sampler_cpu_seconds_total", "CPU time of the thread that reads what is used."
)


class HostLock:
    """A lock that one process of a machine has; its children do not, and death gives it up.

    Parameters
    ----------
    path
        Opened by nothing else in this process: closing it once would give the lock up.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None
        self._pid = 0

    def hold(self) -> bool:
        """Whether this process has the lock, now or since before."""
        if self._pid == os.getpid():
            return True
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            return False
        self._fd, self._pid = fd, os.getpid()
        return True

    def release(self) -> None:
        """Let another process have it."""
        if self._fd is not None:
            os.close(self._fd)
        self._fd, self._pid = None, 0


class Sampler:
    """Reads and takes, turn by turn."""

    def __init__(self) -> None:
        self._machine = HostMeter(settings.HOME)
        self._runs = RunMeters()
        self._minute_due = 0.0

    def turn(self) -> None:
        """Write one reading; once a minute also what was counted, and sum up.

        Raises
        ------
        django.db.DatabaseError
            When Postgres is away; what it missed is taken at the next turn.
        """
        host = provenance.host()
        rows = Run.objects.running().filter(host=host).only("id", "worker")
        at_work = {run.pk: run.worker_pid for run in rows if run.worker_pid}
        usage.note(host=host, machine=self._machine.read(), runs=self._runs.read(at_work))
        if time.monotonic() >= self._minute_due:
            self._minute_due = time.monotonic() + MINUTE_S
            self._each_minute(host)
        heartbeats.beat(f"{ROLE}@{host}", role=ROLE)

    def _each_minute(self, host: str) -> None:
        try:
            series.take(host=host)
        except OSError as exc:  # the folder of the metrics cannot be written
            log.warning("series_not_taken", error=str(exc))
        usage.sum_up()
        burning.check()
        try:
            quarantine.collect()
        except RedisError as exc:  # what waits there waits on
            log.warning("refused_rows_wait", error=str(exc))


class Thread(threading.Thread):
    """Samples as long as this process has the machine's lock."""

    def __init__(self, name: str = "sampler") -> None:
        super().__init__(name=name, daemon=True)
        self.stopping = threading.Event()
        self._lock = HostLock(settings.HOME / "metrics" / LOCK_NAME)

    def run(self) -> None:
        sampler: Sampler | None = None
        while not self.stopping.is_set():
            started = time.thread_time()
            try:
                if self._lock.hold():
                    sampler = sampler or Sampler()
                    sampler.turn()
            except (DatabaseError, InterfaceError) as exc:
                log.warning("sampler_database_trouble", error=str(exc))
            except Exception:  # the thread must outlive whatever a turn meets
                log.exception("sampler_trouble")
            finally:
                connection.close()  # a fork must not inherit it
            SPENT.labels().inc(time.thread_time() - started)
            self.stopping.wait(EVERY_S)
        self._lock.release()
