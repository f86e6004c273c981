from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils.translation import gettext as _

from predictions.management import console
from predictions.models import Dataset
from predictions.services import datasets


class Command(BaseCommand):
    help = "Import a file of shots as a data set and print its quality profile."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="CSV with one or two header rows, or Parquet.")
        parser.add_argument("--name", default="", help="By default the file's name.")
        parser.add_argument(
            "--kind", default=Dataset.Kind.QUALITY, choices=Dataset.Kind.values, help="Of data."
        )
        parser.add_argument(
            "--allow-duplicate",
            action="store_true",
            help="Import content again that was imported before.",
        )
        console.add_user_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        with console.plain_errors():
            dataset = datasets.import_dataset(
                source=path,
                name=options["name"] or path.stem,
                kind=options["kind"],
                actor=console.actor(options["user"]),
                allow_duplicate=options["allow_duplicate"],
            )
        self._show(dataset)

    def _show(self, dataset: Dataset) -> None:
        screen = console.console(self.stdout)
        profile = dataset.profile
        for table in console.profile_tables(profile):
            screen.print(table)
        screen.print(
            _(
                "Imported “%(name)s” as data set %(id)d: %(rows)d shots, "
                "fingerprint %(fingerprint)s."
            )
            % {
                "name": dataset.name,
                "id": dataset.pk,
                "rows": dataset.n_rows,
                "fingerprint": dataset.fingerprint[:16],
            },
            markup=False,
        )
        if profile["is_labelled"]:
            screen.print(
                _("%(defects)d of them are defects (%(share).2f%%).")
                % {"defects": profile["n_defects"], "share": 100 * profile["defect_share"]}
            )
        else:
            screen.print(_("They carry no labels, so nothing can be trained on them."))
