"""``manage.py selftest``: prove that a queue, its workers and the artifact storage work."""

import time
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from portal.core.actors import Actor
from portal.runs import services
from portal.runs.models import Queue, Run, State
from portal.runs.tasks.selftest import FAILURES, KIND

POLL_S = 0.2


class Command(BaseCommand):
    help = "Start a self-test run on a queue and wait for its end."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--queue", choices=Queue.values, default=Queue.INTERACTIVE.value)
        parser.add_argument("--seconds", type=float, default=1.0, help="how long it takes")
        parser.add_argument("--steps", type=int, default=5)
        parser.add_argument("--memory-mib", type=int, default=0)
        parser.add_argument("--fail-with", choices=sorted(FAILURES), default="")
        parser.add_argument("--timeout", type=float, default=60.0, help="seconds to wait")
        parser.add_argument("--no-wait", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        names = ("seconds", "steps", "memory_mib", "fail_with")
        run = services.enqueue(
            kind=KIND,
            actor=Actor.system("selftest", via=Run.Via.COMMAND),
            parameters={name: options[name] for name in names},
            queue=options["queue"],
        )
        self.stdout.write(f"Run {run.pk} is queued on {run.queue}.")
        if options["no_wait"]:
            return
        self._wait(run, options["timeout"])
        self._report(run)

    def _wait(self, run: Run, timeout_s: float) -> None:
        began = time.monotonic()
        while not run.is_terminal:
            if time.monotonic() - began > timeout_s:
                raise CommandError(
                    f"The run is still {run.state} after {timeout_s:g} s. Does a worker serve the "
                    f"queue {run.queue}? See manage.py runs --once."
                )
            time.sleep(POLL_S)
            run.refresh_from_db()

    def _report(self, run: Run) -> None:
        if run.state != State.SUCCEEDED:
            raise CommandError(f"The run {run.state}: {run.error_code}: {run.error_message}")
        waited_s = _seconds(run.created_at, run.started_at)
        worked_s = _seconds(run.started_at, run.finished_at)
        self.stdout.write(
            f"Succeeded on {run.worker}: waited {waited_s:.2f} s, worked {worked_s:.2f} s, "
            f"attempt {run.attempt}, peak memory {(run.peak_memory_bytes or 0) / 2**20:.0f} MiB."
        )


def _seconds(start: datetime | None, end: datetime | None) -> float:
    return (end - start).total_seconds() if start and end else 0.0
