"""``manage.py runs``: a live view of the queues, the runs at work and what they say."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError, connection
from django.utils.translation import gettext as _
from rich.console import Console, RenderableType
from rich.live import Live
from rich.panel import Panel

from portal.runs.management.screen import Size, frame

NO_TERMINAL_WIDTH = 160
MOST_SHOWN = 1_000


class Command(BaseCommand):
    help = "Show queues, runs, progress, resources and the last events; Ctrl-C ends it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="print one picture and end")
        parser.add_argument("--every", type=float, default=1.0, help="seconds between pictures")
        parser.add_argument("--runs", type=int, default=15, help="how many runs to show")
        parser.add_argument("--events", type=int, default=10, help="how many events to show")

    def handle(self, *args: Any, **options: Any) -> None:
        console = self._console()
        size = Size(*(_shown(options, name) for name in ("runs", "events")))
        if options["once"] or not console.is_terminal:
            console.print(frame(size))
            return
        try:
            self._follow(console, size, max(options["every"], 0.2))
        except KeyboardInterrupt:
            return

    def _console(self) -> Console:
        stream: Any = self.stdout
        is_terminal = bool(stream.isatty())
        width = None if is_terminal else NO_TERMINAL_WIDTH
        # What runs say is text, not markup.
        return Console(file=stream, width=width, markup=False, highlight=False, emoji=False)

    def _follow(self, console: Console, size: Size, every_s: float) -> None:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                live.update(self._picture(size), refresh=True)
                time.sleep(every_s)

    def _picture(self, size: Size) -> RenderableType:
        try:
            return frame(size)
        except (DatabaseError, InterfaceError) as exc:
            connection.close()
            return Panel(f"The database does not answer: {exc}", style="red")


def _shown(options: dict[str, Any], name: str) -> int:
    n_shown = int(options[name])
    if not 0 <= n_shown <= MOST_SHOWN:
        raise CommandError(
            _("--%(name)s is %(seen)d; give 0 to %(most)d.")
            % {"name": name, "seen": n_shown, "most": MOST_SHOWN}
        )
    return n_shown
