import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from predictions.management import console
from predictions.services import examples

N_SHOTS = 3_000
MOST_SHOTS = 1_000_000
SEED = 11


class Command(BaseCommand):
    help = (
        "Print generated shots with their outcome as a CSV file to import or, with --json, one "
        "real shot as the body of a prediction that the champion answers."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="One shot, to ask about.")
        parser.add_argument("--rows", type=int, default=N_SHOTS, help="How many shots.")
        parser.add_argument("--seed", type=int, default=SEED, help="Another one, other shots.")

    def handle(self, *args: Any, **options: Any) -> None:
        n_shots, seed = options["rows"], options["seed"]
        if not 1 <= n_shots <= MOST_SHOTS:
            raise CommandError(
                _("--rows is %(seen)d; give 1 to %(most)d.") % {"seen": n_shots, "most": MOST_SHOTS}
            )
        if seed < 0:
            raise CommandError(_("--seed is %(seen)d; give 0 or more.") % {"seen": seed})
        with console.plain_errors():
            if options["json"]:
                self.stdout.write(json.dumps({"features": examples.shot()}, indent=1))
            else:
                self.stdout.write(examples.csv(n_shots=n_shots, seed=seed).decode(), ending="")
