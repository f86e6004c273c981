import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils.translation import gettext as _

from portal.runs.management import console
from search.lab.management.commands.benchmark import find
from search.lab.services import reports


class Command(BaseCommand):
    help = "Write the report of a campaign as Markdown or JSON, to the screen or into a file."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "campaign", nargs="?", default="latest", help="Its number, its name or latest."
        )
        parser.add_argument("--format", choices=("md", "json"), default="md")
        parser.add_argument("--output", type=Path, help="A file; the screen when left out.")

    def handle(self, *args: Any, **options: Any) -> None:
        with console.plain_errors():
            campaign = find(options["campaign"])
            if options["format"] == "json":
                text = json.dumps(reports.content(campaign), ensure_ascii=False, indent=1)
            else:
                text = reports.markdown(campaign)
        if options["output"] is None:
            self.stdout.write(text)
            return
        options["output"].write_text(text, "utf-8")
        self.stdout.write(_("Written to %(path)s.") % {"path": options["output"]})
