from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from portal.runs.management import console
from search.lab.engine.analysis.choosing import Limits
from search.lab.management import writing
from search.lab.services import naming, reports


class Command(BaseCommand):
    help = (
        "Write the report of a campaign as Markdown, HTML, PDF, JSON, CSV or Parquet, to the "
        "screen or into a file."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "campaign", nargs="?", default="latest", help="Its number, its name or latest."
        )
        parser.add_argument(
            "--format", choices=reports.FORMATS, help="By default that of the file's name, or md."
        )
        parser.add_argument("--language", choices=reports.LANGUAGES, default="ko")
        parser.add_argument(
            "--output", type=Path, help="A file or a folder; the screen when left out."
        )

        asked = parser.add_argument_group("what the recommendation keeps to")
        asked.add_argument(
            "--min-recall", type=float, help="Least recall@10; the campaign's, or else 0.95."
        )
        asked.add_argument("--max-p95-ms", type=float, help="Greatest 95th percentile.")
        asked.add_argument("--max-memory-mb", type=float, help="Greatest memory of a search.")
        asked.add_argument(
            "--each-length", action="store_true", help="Recommend for each length of the vectors."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with console.plain_errors():
            content, _content_type, name = reports.render(
                naming.called(options["campaign"]),
                format=writing.form_of(options, reports.FORMATS),
                language=options["language"],
                limits=Limits(
                    options["min_recall"],
                    options["max_p95_ms"],
                    options["max_memory_mb"],
                    each_length=options["each_length"],
                ),
            )
        writing.put(content, name, options["output"], self.stdout)
