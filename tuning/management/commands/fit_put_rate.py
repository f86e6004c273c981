from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils.translation import gettext as _
from rich.table import Table

from portal.core import formats
from portal.runs.management import console, following
from tuning import dispatch
from tuning.services import put_rates


class Command(BaseCommand):
    help = "Fit the forms of the put-rate model on the trials of RocksDB and print their error."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--no-wait", action="store_true", help="Start the run and return.")
        console.add_user_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        screen = console.console(self.stdout)
        with console.plain_errors():
            actor = console.actor(options["user"])
            run = dispatch.fit_put_rate(actor=actor)
            screen.print(_("Run %(run)s.") % {"run": run.pk}, markup=False)
            if options["no_wait"]:
                return
            following.follow(run, screen, actor)
            screen.print(_forms())


def _forms() -> Table:
    shown = Table(title=_("Put rate"))
    for heading in (_("form"), _("median error"), _("90th percentile"), _("coverage"), _("state")):
        shown.add_column(heading)
    for row in put_rates.rows():
        left = row.left_out
        figures = [formats.share(left[one]) for one in ("median_ape", "p90_ape", "coverage")]
        shown.add_row(row.name, *figures, _("answers") if row.is_active else row.state)
    return shown
