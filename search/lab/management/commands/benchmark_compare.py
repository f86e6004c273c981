from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from portal.lib import documents
from portal.runs.management import console
from search.lab.engine.analysis.comparing import MARGIN, SLOWER
from search.lab.management import writing
from search.lab.services import comparing, naming, reports


class Command(BaseCommand):
    help = (
        "Compare two campaigns cell by cell: faster, slower, the same or inconclusive, by the "
        "interval of the ratio of their median latencies, and whether it became less exact."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("then", help="The earlier campaign: number, name or latest.")
        parser.add_argument("now", help="The campaign that is judged.")
        parser.add_argument(
            "--margin", type=float, default=MARGIN, help="Differences that count as the same."
        )
        parser.add_argument(
            "--fail-on-slower", action="store_true", help="End with 1 if any cell is slower."
        )
        parser.add_argument(
            "--fail-on-worse",
            action="store_true",
            help="End with 1 if any cell is slower or less exact, failed, or only now misses its "
            "index or rows.",
        )
        parser.add_argument(
            "--format", choices=documents.FORMATS, help="By default that of the file's name, or md."
        )
        parser.add_argument("--language", choices=reports.LANGUAGES, default="ko")
        parser.add_argument(
            "--output", type=Path, help="A file or a folder; the screen when left out."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with console.plain_errors():
            found = comparing.compare(
                then=naming.called(options["then"]),
                now=naming.called(options["now"]),
                margin=options["margin"],
            )
            content, _content_type, name = reports.render_comparison(
                found,
                format=writing.form_of(options, documents.FORMATS),
                language=options["language"],
            )
        writing.put(content, name, options["output"], self.stdout)
        if options["fail_on_slower"] and found.is_slower:
            raise CommandError(
                _("Cells slower than before: %(count)d.") % {"count": found.counts[SLOWER]}
            )
        if options["fail_on_worse"] and found.worse:
            raise CommandError(
                _("Cells worse than before: %(cells)s.")
                % {"cells": "; ".join(comparing.said(one) for one in found.worse)}
            )
