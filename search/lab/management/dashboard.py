"""The live terminal view of a campaign: progress, machine, cells as they land, events."""

import os
import select
import shutil
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.utils.translation import gettext as _
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from portal.core import formats
from portal.runs.management.screen import COLOURS, LEVELS
from portal.runs.models import Run, RunEvent, State
from search.lab import selectors
from search.lab.engine.statistics import Figure, significant
from search.lab.models import Campaign, CellResult
from search.lab.services import estimates

EVERY_S = 1.0
N_CELLS, N_EVENTS = 12, 6
#: Lines of the view beside those of cells and events: frames, headings, progress, machine, hint.
OTHER_LINES = 15
#: Narrower than this there is no room for throughput, and than that none for intervals.
WIDE, VERY_WIDE = 110, 190
#: Columns for the names of cells at least and for notes at most, in a narrow view and a wide one.
LEAST_LABEL, MOST_NOTE = (30, 48), (12, 26)
#: Waits a while and says whether somebody asked to leave.
Pressed = Callable[[float], bool]


def watch(campaign: Campaign, console: Console, pressed: Pressed | None = None) -> bool:
    """Show a campaign until its run is over; q or Ctrl-C leaves the view and nothing else.

    Parameters
    ----------
    pressed : callable or None
        In place of the keyboard.

    Returns
    -------
    bool
        Whether the run is over; False when somebody left.
    """
    try:
        with (
            _keyboard() as keyboard,
            Live(console=console, screen=True, auto_refresh=False) as live,
        ):
            while True:
                live.update(_picture(campaign, console), refresh=True)
                if is_over(campaign):
                    return True
                if (pressed or keyboard)(EVERY_S):
                    return False
    except KeyboardInterrupt:
        return False


def is_over(campaign: Campaign) -> bool:
    """Whether no run works or waits for the campaign."""
    run = _run(campaign)
    return run is None or run.is_terminal


def frame(campaign: Campaign, width: int, height: int | None = None) -> RenderableType:
    """Return one picture of a campaign.

    Parameters
    ----------
    width
        Columns of the terminal; a narrow one shows figures without their intervals.
    height
        Lines that the picture may take; None for as many as there are.
    """
    campaign = Campaign.objects.select_related("run").get(pk=campaign.pk)
    n_cells, n_events = _room(height)
    return Group(
        Panel(_progress(campaign, width), title=Text(campaign.name), title_align="left"),
        Panel(_machine(), title=_("Machine"), title_align="left"),
        Panel(
            _cells(campaign, n_cells, width),
            title=_("Last cells"),
            title_align="left",
        ),
        Panel(_events(campaign, n_events), title=_("Last events"), title_align="left"),
        Text(_("q or Ctrl-C leaves this view; the campaign goes on."), style="bright_black"),
    )


def _room(height: int | None) -> tuple[int, int]:
    """Return how many cells and how many events have room in so many lines."""
    if height is None:
        return N_CELLS, N_EVENTS
    n_lines = max(2, height - OTHER_LINES)
    n_events = min(N_EVENTS, max(1, n_lines // 3))
    return min(N_CELLS, n_lines - n_events), n_events


def _picture(campaign: Campaign, console: Console) -> RenderableType:
    try:
        return frame(campaign, *console.size)
    except (DatabaseError, InterfaceError) as exc:
        connection.close()
        reason = " ".join(str(exc).split())
        return Panel(_("The database does not answer: %(reason)s") % {"reason": reason})


def _run(campaign: Campaign) -> Run | None:
    current = Campaign.objects.select_related("run").get(pk=campaign.pk)
    return current.run


def _progress(campaign: Campaign, width: int) -> RenderableType:
    counts = {
        state: campaign.cells.filter(state=state).count() for state in CellResult.State.values
    }
    total = max(1, sum(counts.values()))
    done = total - counts[CellResult.State.WAITING]
    run = campaign.run
    table = Table.grid(padding=(0, 2))
    table.add_row(
        ProgressBar(total=total, completed=done, width=40 if width >= WIDE else 16),
        _("%(done)d of %(total)d cells, %(failed)d failed")
        % {"done": done, "total": total, "failed": counts[CellResult.State.FAILED]},
        _("about %(time)s left")
        % {"time": formats.duration(estimates.remaining(campaign).seconds)},
    )
    if run is None:
        return table
    state = Text(str(State(run.state).label), style=COLOURS[State(run.state)])
    return Group(
        table, Text.assemble(state, "  ", run.progress_message, overflow="ellipsis", no_wrap=True)
    )


def _machine() -> Table:
    memory = psutil.virtual_memory()
    table = Table.grid(padding=(0, 2))
    table.add_row(
        _("CPU %(share).0f %%") % {"share": psutil.cpu_percent(interval=None)},
        _("load %(load).1f on %(cores)d cores")
        % {"load": os.getloadavg()[0], "cores": os.cpu_count() or 1},
        _("memory %(used)s of %(total)s")
        % {
            "used": formats.size(memory.total - memory.available),
            "total": formats.size(memory.total),
        },
        _("disk free %(free)s") % {"free": formats.size(shutil.disk_usage(settings.HOME).free)},
    )
    return table


def _cells(campaign: Campaign, n_cells: int, width: int) -> Table:
    table = Table(expand=True, box=None, header_style="bold")
    is_wide = width >= WIDE
    # Cells that cannot be told apart say nothing, whatever their figures are.
    least = LEAST_LABEL[is_wide]
    table.add_column(_("cell"), ratio=1, min_width=least, no_wrap=True, overflow="ellipsis")
    for heading in ("p50 ms", "p95 ms", "recall@10", *([_("per second")] if is_wide else [])):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column(_("note"), max_width=MOST_NOTE[is_wide], no_wrap=True, overflow="ellipsis")
    rows = campaign.cells.exclude(state=CellResult.State.WAITING).order_by("-measured_at")
    for row in rows[:n_cells]:
        line = selectors.line(row)
        style = "red" if line.error else "yellow" if line.flags else ""
        note = line.error.partition("\n")[0][:60] or ", ".join(selectors.doubts(line))
        figures = (line.p50, line.p95, line.recall, *([line.throughput] if is_wide else []))
        table.add_row(
            Text(line.label),
            *(_shown(one, width >= VERY_WIDE) for one in figures),
            Text(note, style=style),
        )
    return table


def _shown(figure: Figure | None, has_interval: bool) -> str:
    if figure is None:
        return "-"
    return str(figure) if has_interval else significant(figure.value)


def _events(campaign: Campaign, n_events: int) -> Table:
    table = Table(expand=True, box=None, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    if campaign.run is None:
        return table
    events = RunEvent.objects.filter(run=campaign.run).exclude(type=RunEvent.Type.PROGRESS)
    for event in events.order_by("-pk")[:n_events]:
        said = event.message or event.name
        table.add_row(
            f"{event.at.astimezone():%H:%M:%S}", Text(said, style=LEVELS.get(event.level, ""))
        )
    return table


@contextmanager
def _keyboard() -> Iterator[Pressed]:
    """Give a wait that ends early when q is pressed; the terminal is as before afterwards."""
    if not sys.stdin.isatty():
        yield _only_wait
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)

    def wait(seconds: float) -> bool:
        ready, _write, _error = select.select([descriptor], [], [], seconds)
        return bool(ready) and os.read(descriptor, 1) in {b"q", b"Q"}

    try:
        yield wait
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _only_wait(seconds: float) -> bool:
    time.sleep(seconds)
    return False
