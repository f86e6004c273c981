"""Jobs in processes of their own, ended when the run must stop or the campaign must rest."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.utils.translation import gettext as _

from portal.core.errors import FULL_ERRNOS, NotFound
from portal.runs.context import RunContext
from search.lab.engine.problems import EngineProblem
from search.lab.models import Campaign
from search.lab.services import problems
from search.lab.services.worker import ANSWER, DATABASE_AWAY, OUT_OF_MEMORY, Job

_WORKER = "search.lab.services.worker"
_POLL_S = 0.5
_LOOK_EVERY_S = 1.0
#: So long a campaign waits for its database at most; after that its run is tried again later. Ours.
_PATIENCE_S = 60.0
#: What processes say when the disk is full.
_FULL = tuple(os.strerror(one) for one in sorted(FULL_ERRNOS))
#: How libraries and the loader end when memory is refused: not all raise what Python knows.
_NO_MEMORY = (os.strerror(errno.ENOMEM), "bad_alloc", "failed to map segment", "allocate memory")
#: Lines at the end of a log that may say so: Postgres puts a hint behind its error.
_TAIL = 5


class OutOfMemory(Exception):
    """A process asked for more memory than it may take, or the system ended it for want of it."""


class DiskFull(Exception):
    """A process found no room on the disk."""


class DatabaseAway(OperationalError):
    """Postgres died under a process, or had emptied its table: it is to be tried again."""


class Resting(Exception):
    """The campaign has to rest: the pass in hand is given up. Its text says why, if not asked."""


class Watch:
    """Says whether the work of a campaign may go on, to every thread that takes part in it.

    Parameters
    ----------
    may_go_on : callable
        Called once a second by the thread of the run; raises `Resting` when the work must stop.

    Attributes
    ----------
    n_outages : int
        How often the database did not answer.
    """

    def __init__(
        self, ctx: RunContext, campaign: Campaign, may_go_on: Callable[[], None] = lambda: None
    ) -> None:
        self._ctx = ctx
        self._campaign = campaign
        self._may_go_on = may_go_on
        self._stop = threading.Event()
        self._next_look = 0.0
        self.n_outages = 0

    def check(self) -> None:
        """Stop here if the work must not go on; safe in any thread, reads no database.

        Raises
        ------
        RunCancelled, LeaseLost
            As the run's context says.
        Resting
            If the campaign was paused.
        """
        self._ctx.check()
        if self._stop.is_set():
            raise Resting

    def look(self) -> None:
        """As `check`, after a look at whether somebody paused; for the thread of the run.

        A database that is down is waited for: builds of hours go on meanwhile.

        Raises
        ------
        NotFound
            If the campaign is gone.
        """
        if time.monotonic() >= self._next_look:
            if self._is_paused():
                self.stop()
            self._may_go_on()
            self._next_look = time.monotonic() + _LOOK_EVERY_S
        self.check()

    def look_now(self) -> None:
        """As `look`, however lately that was."""
        self._next_look = 0.0
        self.look()

    def waits(self, say: Callable[[], None]) -> Callable[[], None]:
        """Return what who waits for others calls again and again: says so once, then looks."""
        told: list[bool] = []

        def turn() -> None:
            if not told:
                told.append(True)
                say()
            self.look()

        return turn

    def _is_paused(self) -> bool:
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return self._look_at_campaign()
            except (OperationalError, InterfaceError):
                connection.close()
                if time.monotonic() > deadline:
                    raise
            self.n_outages += 1
            self.check()
            time.sleep(_POLL_S)

    def _look_at_campaign(self) -> bool:
        rows = Campaign.objects.filter(pk=self._campaign.pk)
        is_paused = rows.values_list("is_paused", flat=True).first()
        if is_paused is None:
            raise NotFound(
                _("“%(name)s” was removed while it was at work, so that work ends.")
                % {"name": self._campaign.name},
                code="no_campaign",
            )
        return is_paused

    def stop(self) -> None:
        """Let no thread go on."""
        self._stop.set()


def do(job: Job, turn: Callable[[], None], *, module: str = _WORKER) -> dict[str, Any]:
    """Do a job in a process of its own and return its answer.

    Parameters
    ----------
    turn : callable
        Called twice a second; what it raises ends the process and all that it started.
    module : str
        Whose main does it.

    Raises
    ------
    OutOfMemory
    DiskFull
        If the process, or this one, could not write.
    DatabaseAway
        If Postgres died under the process.
    EngineProblem
        If the process failed; with the last line it wrote.
    """
    turn()
    job.folder.mkdir(parents=True, exist_ok=True)
    path, log = job.folder / f"{job.action}.json", job.folder / f"{job.action}.log"
    answer = job.folder / ANSWER
    answer.unlink(missing_ok=True)
    replace(job, parent=os.getpid()).write(path)
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - this interpreter, a file of ours
            [sys.executable, "-m", module, str(path)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=settings.BASE_DIR,
            start_new_session=True,
        )
        try:
            while process.poll() is None:
                turn()
                time.sleep(_POLL_S)
        finally:
            _end(process)
    if process.returncode in {OUT_OF_MEMORY, -signal.SIGKILL}:
        raise OutOfMemory
    if process.returncode or not answer.exists():
        lines = log.read_text("utf-8", "replace").strip().splitlines() or [""]
        reason = lines[-1] or f"exit status {process.returncode}"
        tail = "\n".join(lines[-_TAIL:])
        if any(sign in tail for sign in _NO_MEMORY):
            raise OutOfMemory
        if process.returncode == DATABASE_AWAY:
            raise DatabaseAway(reason)
        # A file that is mapped into memory is refused its blocks by a signal.
        if process.returncode == -signal.SIGBUS or any(sign in tail for sign in _FULL):
            raise DiskFull(reason)
        raise EngineProblem(
            "engine_failed", engine=job.cell.engine, phase=job.action, reason=reason[:500]
        )
    return dict(json.loads(answer.read_text()))


def clear(job: Job) -> None:
    """Remove what a job left."""
    shutil.rmtree(job.folder, ignore_errors=True)


def short_of_memory(job: Job) -> str:
    """Return what is said of a cell for which there was no memory."""
    return problems.said(memory_problem(job))


def memory_problem(job: Job) -> EngineProblem:
    """Return the problem of a job for which there was no memory."""
    if job.memory_mb:
        return EngineProblem("memory_cap", engine=job.cell.engine, limit=job.memory_mb)
    return EngineProblem("memory_gone", engine=job.cell.engine, phase=job.action)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a process and those it started, which are in its session."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
