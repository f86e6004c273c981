from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from predictions.management import console
from predictions.management.routing import routing_profile_tables
from predictions.models import Dataset
from predictions.services import datasets
from predictions.services.routing import datasets as routing


class Command(BaseCommand):
    help = (
        "Import a file of shots, or an item master with its routing table, as a data set and print "
        "its quality profile."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "files",
            type=Path,
            nargs="+",
            metavar="FILE",
            help="CSV or Parquet: the shots, or with --kind routing the items and the routings.",
        )
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
        with console.plain_errors():
            dataset = _imported(options)
        if dataset.kind == Dataset.Kind.ROUTING:
            self._show_routings(dataset)
        else:
            self._show(dataset)

    def _show_routings(self, dataset: Dataset) -> None:
        screen = console.console(self.stdout)
        for table in routing_profile_tables(dataset.profile):
            screen.print(table)
        screen.print(
            _(
                "Imported “%(name)s” as data set %(id)d: %(items)d items, %(planned)d of them with "
                "a routing; fingerprint %(fingerprint)s."
            )
            % {
                "name": dataset.name,
                "id": dataset.pk,
                "items": dataset.n_rows,
                "planned": dataset.profile["n_planned"],
                "fingerprint": dataset.fingerprint[:16],
            },
            markup=False,
        )

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


def _imported(options: dict[str, Any]) -> Dataset:
    files: list[Path] = options["files"]
    given = {
        "name": options["name"] or files[0].stem,
        "actor": console.actor(options["user"]),
        "allow_duplicate": options["allow_duplicate"],
    }
    if options["kind"] == Dataset.Kind.ROUTING:
        _expect(files, 2, _("--kind routing takes two files: the items, then the routings."))
        items, routings = (routing.Upload(path) for path in files)
        return routing.import_routings(items=items, routings=routings, **given)
    _expect(files, 1, _("Shots are imported from one file."))
    return datasets.import_dataset(source=files[0], kind=options["kind"], **given)


def _expect(files: list[Path], count: int, rule: str) -> None:
    if len(files) != count:
        seen = _("There are %(count)d files.") % {"count": len(files)}
        raise CommandError(f"{seen} {rule}")
