from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils.translation import gettext as _

from portal.console import dispatch
from portal.runs.management import console, following


class Command(BaseCommand):
    help = "Write the report of a week, as HTML and PDF in Korean and English, in a worker."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--week", default="", help="A date in it; by default the last whole one."
        )
        parser.add_argument("--no-wait", action="store_true", help="Start the run and return.")
        console.add_user_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        screen = console.console(self.stdout)
        with console.plain_errors():
            actor = console.actor(options["user"])
            run = dispatch.weekly_report(actor=actor, week=options["week"])
            if not options["no_wait"]:
                run = following.follow(run, screen, actor)
        screen.print(_("The report is on the page of run %(run)s.") % {"run": run.pk}, markup=False)
