"""``manage.py sweep_runs``: do by hand what beat and workers do every few seconds."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _

from portal.runs.services import upkeep


class Command(BaseCommand):
    help = "Send lost messages again and take runs from silent workers, once."

    def handle(self, *args: Any, **options: Any) -> None:
        swept = upkeep.sweep()
        self.stdout.write(
            _(
                "Messages sent again: %(sent)d, runs queued again: %(returned)d, runs ended: "
                "%(ended)d."
            )
            % {"sent": swept.n_sent, "returned": swept.n_returned, "ended": swept.n_ended}
        )
