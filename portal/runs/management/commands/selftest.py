"""``manage.py selftest``: prove that a queue, its workers and the artifact storage work."""

import time
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

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
        said = _("Run %(run)s is queued on %(queue)s.") % {"run": run.pk, "queue": run.queue}
        self.stdout.write(said)
        if options["no_wait"]:
            return
        self._wait(run, options["timeout"])
        self._report(run)

    def _wait(self, run: Run, timeout_s: float) -> None:
        began = time.monotonic()
        while not run.is_terminal:
            if time.monotonic() - began > timeout_s:
                raise CommandError(
                    _(
                        "After %(seconds)g s the run is not over (%(state)s). Does a worker serve "
                        "the queue %(queue)s? See manage.py runs --once."
                    )
                    % {
                        "seconds": timeout_s,
                        "state": run.get_state_display(),
                        "queue": run.queue,
                    }
                )
            time.sleep(POLL_S)
            run.refresh_from_db()

    def _report(self, run: Run) -> None:
        if run.state != State.SUCCEEDED:
            raise CommandError(
                _("The run ended as “%(state)s”: %(code)s: %(why)s")
                % {
                    "state": run.get_state_display(),
                    "code": run.error_code,
                    "why": run.error_message,
                }
            )
        waited_s = _seconds(run.created_at, run.started_at)
        worked_s = _seconds(run.started_at, run.finished_at)
        self.stdout.write(
            _(
                "Succeeded on %(worker)s: waited %(waited).2f s, worked %(worked).2f s, attempt "
                "%(attempt)d, peak memory %(memory).0f MiB."
            )
            % {
                "worker": run.worker,
                "waited": waited_s,
                "worked": worked_s,
                "attempt": run.attempt,
                "memory": (run.peak_memory_bytes or 0) / 2**20,
            }
        )


def _seconds(start: datetime | None, end: datetime | None) -> float:
    return (end - start).total_seconds() if start and end else 0.0
