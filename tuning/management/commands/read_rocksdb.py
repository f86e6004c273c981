import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from portal.runs.management import console
from tuning.services import imports


class Command(BaseCommand):
    help = "Read a LOG, an OPTIONS file, statistics or the output of db_bench and print it as JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE")
        parser.add_argument("--kind", choices=imports.KINDS, help="Else told from its beginning.")

    def handle(self, *args: Any, **options: Any) -> None:
        with console.plain_errors():
            found = imports.read(Path(options["file"]), options["kind"] or "")
            self.stdout.write(json.dumps(found, indent=2, ensure_ascii=False))
