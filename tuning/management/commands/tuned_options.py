from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils.translation import gettext as _

from portal.runs.management import console
from tuning.services import promoting


class Command(BaseCommand):
    help = "Write the options that are live for a target: RocksDB's OPTIONS file, or JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("model", metavar="MODEL", help="Such as tuned-rocksdb-put-heavy.")
        parser.add_argument("--output", metavar="FILE", help="Replaced whole; else printed.")

    def handle(self, *args: Any, **options: Any) -> None:
        with console.plain_errors():
            name, text, number = promoting.live_file(options["model"])
            if not options["output"]:
                self.stdout.write(text)
                return
            target = Path(options["output"])
            beside = target.with_name(f".{target.name}.partial")
            beside.write_text(text)
            beside.replace(target)
            said = _("%(name)s of version %(number)s is in %(file)s.")
            self.stdout.write(said % {"name": name, "number": number, "file": target})
