"""Follow a run in the terminal until it is over."""

import time
from datetime import timedelta

from django.core.management.base import CommandError
from django.utils.translation import gettext as _
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from portal.core.actors import Actor
from portal.lib import clock
from portal.runs import services as runs
from portal.runs.models import Heartbeat, Run, RunEvent, State

POLL_S = 0.3
#: A worker shows life every few seconds; one silent this long does not count.
WORKER_SILENT = timedelta(seconds=30)
#: How long a worker may take to come up before waiting for it is given up.
PATIENCE_S = 60.0


def follow(run: Run, screen: Console, actor: Actor) -> Run:
    """Show a run's progress until it is over; Ctrl-C asks it to stop.

    Raises
    ------
    CommandError
        When it did not succeed, or no worker is there to do it.
    """
    try:
        run = _watch(run, screen)
    except KeyboardInterrupt:
        runs.cancel(run_id=run.pk, actor=actor, reason=_("Interrupted in the terminal."))
        raise CommandError(_("The run %(run)s was asked to stop.") % {"run": run.pk}) from None
    if run.state != State.SUCCEEDED:
        raise CommandError(
            _("The run %(run)s ended as “%(state)s”: %(message)s")
            % {"run": run.pk, "state": run.get_state_display(), "message": run.error_message}
        )
    return run


def _watch(run: Run, screen: Console) -> Run:
    patience_ends = time.monotonic() + PATIENCE_S
    seen = 0
    columns = (TextColumn("{task.percentage:>3.0f}%"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.description}"), console=screen) as progress:
        bar = progress.add_task(_("waiting for a worker"), total=1.0)
        while True:
            run = Run.objects.get(pk=run.pk)
            seen = _print_log(run, seen, progress)
            progress.update(bar, completed=run.progress_fraction, description=_description(run))
            if run.is_terminal:
                return run
            if run.state == State.QUEUED and time.monotonic() > patience_ends:
                _require_worker(run)
            time.sleep(POLL_S)


def _print_log(run: Run, seen: int, progress: Progress) -> int:
    lines = RunEvent.objects.filter(run=run, pk__gt=seen, type=RunEvent.Type.LOG).order_by("pk")
    for event in lines:
        progress.console.print(f"{clock_time(event)}  {event.message}", markup=False)
        seen = event.pk
    return seen


def clock_time(event: RunEvent) -> str:
    """Return the local time of day of an event."""
    return f"{event.at.astimezone():%H:%M:%S}"


def _description(run: Run) -> str:
    if run.state == State.QUEUED:
        return _("waiting for a worker")
    return run.progress_message or str(run.get_state_display())


def _require_worker(run: Run) -> None:
    """Raise :class:`CommandError` with the way out when nobody takes work from the run's queue."""
    alive = Heartbeat.objects.filter(role="worker", at__gte=clock.now() - WORKER_SILENT)
    if any(run.queue in beat.detail.get("queues", ()) for beat in alive):
        return
    raise CommandError(
        _(
            "No worker takes work from the queue “%(queue)s”. The run %(run)s stays queued and "
            "begins as soon as the portal is started with script/server."
        )
        % {"queue": run.queue, "run": run.pk}
    )
