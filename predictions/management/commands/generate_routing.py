from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from predictions.engine.routing.generator import generate
from predictions.engine.routing.tables import MAX_ITEMS

LEAST_ITEMS = 1


class Command(BaseCommand):
    help = "Write generated items and routings, labelled synthetic, as two CSV files."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--items", type=int, default=12_000, help="How many items.")
        parser.add_argument("--seed", type=int, default=1, help="Equal seeds give equal files.")
        parser.add_argument(
            "--output", type=Path, default=Path(), help="Folder; by default the present one."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        count, seed, folder = options["items"], options["seed"], options["output"]
        if not LEAST_ITEMS <= count <= MAX_ITEMS:
            raise CommandError(
                _("--items is %(seen)d: use %(low)d to %(high)d.")
                % {"seen": count, "low": LEAST_ITEMS, "high": MAX_ITEMS}
            )
        if seed < 0:
            raise CommandError(_("--seed is %(seen)d: use 0 or more.") % {"seen": seed})
        try:
            folder.mkdir(parents=True, exist_ok=True)
            paths = generate(count, seed).write(folder)
        except OSError as exc:
            message = _("Nothing can be written to %(folder)s: %(reason)s.")
            raise CommandError(message % {"folder": folder, "reason": exc.strerror or exc}) from exc
        for path in paths:
            self.stdout.write(str(path))
