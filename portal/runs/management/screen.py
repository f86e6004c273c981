"""The terminal view of what works, waits and ended."""

from dataclasses import dataclass
from datetime import timedelta

from django.utils.translation import gettext as _
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from portal.lib import clock
from portal.runs import kinds, selectors
from portal.runs.models import Queue, Run, RunEvent, State

ALIVE = timedelta(seconds=20)
COLOURS = {
    State.QUEUED: "yellow",
    State.RUNNING: "cyan",
    State.SUCCEEDED: "green",
    State.FAILED: "magenta",
    State.ERRORED: "bold red",
    State.CANCELLED: "bright_black",
}
LEVELS = {"warning": "yellow", "error": "red", "critical": "bold red"}


@dataclass(frozen=True)
class Size:
    """How much of each part is shown."""

    n_runs: int = 15
    n_events: int = 10


def seconds(value: float | None) -> str:
    """Return a duration for people."""
    if value is None:
        return ""
    whole = round(value)
    minutes, left = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes:02}"
    return f"{minutes}m{left:02}" if minutes else f"{value:.1f}s" if value < 10 else f"{whole}s"


def mebibytes(value: int | None) -> str:
    """Return a size for people."""
    return "" if value is None else f"{value / 2**20:,.0f} MiB"


def _age(run: Run) -> str:
    """Return how long a run waited or worked."""
    start = run.started_at or run.created_at
    return seconds(((run.finished_at or clock.now()) - start).total_seconds())


def _queues() -> Table:
    table = Table(expand=True, box=None, header_style="bold")
    table.add_column(_("Queue"))
    for title in (_("Waiting"), _("Working"), _("Workers")):
        table.add_column(title, justify="right")
    for depth in selectors.queue_depths(clock.now() - ALIVE):
        lonely = depth.n_queued and not depth.n_workers
        table.add_row(
            str(Queue(depth.queue).label),
            str(depth.n_queued),
            str(depth.n_running),
            Text(str(depth.n_workers), style="bold red" if lonely else ""),
        )
    return table


def _progress(run: Run) -> RenderableType:
    if run.state == State.RUNNING:
        return ProgressBar(total=1.0, completed=run.progress_fraction, width=20)
    return Text(run.error_code or "", style="red")


def _doing(run: Run) -> str:
    if run.state != State.RUNNING:
        return run.error_message.splitlines()[0] if run.error_message else ""
    left = ""
    if run.progress_eta_s is not None:
        left = _("%(time)s left") % {"time": seconds(run.progress_eta_s)}
    phase = _(run.progress_phase) if run.progress_phase else ""
    return " · ".join(filter(None, [phase, run.progress_message, left]))


def _runs(runs: list[Run]) -> Table:
    table = Table(expand=True, box=None, header_style="bold")
    for title in (_("Run"), _("Kind"), _("State")):
        table.add_column(title, no_wrap=True)
    for title in (_("Attempt"), _("Time")):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column(_("Progress"), width=20)
    table.add_column(_("Doing"), ratio=1, no_wrap=True, overflow="ellipsis")
    for title in (_("Memory"), _("CPU time")):
        table.add_column(title, justify="right", no_wrap=True)
    for run in runs:
        table.add_row(
            str(run.pk)[:8],
            run.title or kinds.title_of(run.kind),
            Text(str(State(run.state).label), style=COLOURS[State(run.state)]),
            f"{run.attempt}/{run.max_attempts}",
            _age(run),
            _progress(run),
            _doing(run),
            mebibytes(run.peak_memory_bytes),
            seconds(run.cpu_seconds),
        )
    return table


def _told(event: RunEvent) -> str:
    if event.type == RunEvent.Type.METRIC:
        return f"{event.name} = {event.value:g}" if event.value is not None else event.name
    if event.type == RunEvent.Type.PROGRESS:
        return f"{event.value or 0:.0%} {event.name} {event.message}"
    return f"{event.name} {event.message}".strip()


def _events(most: int) -> Table:
    table = Table(expand=True, box=None, show_header=False)
    for _column in range(3):
        table.add_column(no_wrap=True)
    table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    for event in selectors.last_events(most):
        table.add_row(
            f"{event.at.astimezone():%H:%M:%S}",
            str(event.run_id)[:8],
            event.type,
            Text(_told(event), style=LEVELS.get(event.level, "")),
        )
    return table


def frame(size: Size) -> RenderableType:
    """Return one picture of the queues, the runs and the last events."""
    now = clock.now().astimezone()
    return Group(
        Panel(
            _queues(), title=_("Queues"), title_align="left", subtitle=f"{now:%Y-%m-%d %H:%M:%S}"
        ),
        Panel(_runs(selectors.shown_runs(size.n_runs)), title=_("Runs"), title_align="left"),
        Panel(_events(size.n_events), title=_("Last events"), title_align="left"),
    )
