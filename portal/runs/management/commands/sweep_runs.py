"""``manage.py sweep_runs``: do by hand what beat and workers do every few seconds."""

from typing import Any

from django.core.management.base import BaseCommand

from portal.runs.services import upkeep


class Command(BaseCommand):
    help = "Send lost messages again and take runs from silent workers, once."

    def handle(self, *args: Any, **options: Any) -> None:
        swept = upkeep.sweep()
        self.stdout.write(
            f"{swept.n_sent} messages sent again, {swept.n_returned} runs queued again, "
            f"{swept.n_ended} runs ended."
        )
