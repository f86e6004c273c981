from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils.translation import gettext as _
from rich.markup import escape
from rich.table import Table

from portal.core.actors import Actor
from portal.core.errors import NotFound
from portal.runs.management import console, following
from search import dispatch
from search.models import Collection
from search.services import collections
from search.services.problems import stored_sentence


class Command(BaseCommand):
    help = (
        "Import all files of a folder, subfolders included, into a collection in a worker, and say "
        "which were skipped and why. Files imported before are replaced when they changed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, metavar="FOLDER")
        parser.add_argument("--collection", required=True, help="Made when there is none.")
        parser.add_argument(
            "--duplicates",
            choices=("skip", "keep"),
            default="skip",
            help="What becomes of a file with the text of another one.",
        )
        parser.add_argument("--no-wait", action="store_true", help="Start the run and return.")
        console.add_user_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        screen = console.console(self.stdout)
        with console.plain_errors():
            actor = console.actor(options["user"])
            run = dispatch.import_folder(
                collection=_collection(options["collection"], actor),
                folder=options["folder"],
                actor=actor,
                duplicates=options["duplicates"],
            )
            if options["no_wait"]:
                screen.print(_("Run %(run)s imports the folder.") % {"run": run.pk}, markup=False)
                return
            run = following.follow(run, screen, actor)
        result = run.result
        screen.print(
            _(
                "%(created)d documents are new, %(updated)d were replaced, %(unchanged)d had not "
                "changed, %(skipped)d files were skipped."
            )
            % {
                "created": result["n_created"],
                "updated": result["n_updated"],
                "unchanged": result["n_unchanged"],
                "skipped": result["n_skipped"],
            },
            markup=False,
        )
        if result["skipped"]:
            screen.print(_skipped(result["skipped"]))


def _collection(name: str, actor: Actor) -> Collection:
    try:
        return collections.get(name)
    except NotFound:
        return collections.create(name=name, actor=actor)


def _skipped(findings: list[dict[str, Any]]) -> Table:
    table = Table(title=_("Skipped"), title_justify="left")
    table.add_column(_("File"))
    table.add_column(_("Reason"))
    for one in findings:
        table.add_row(escape(one["name"]), escape(stored_sentence(one)))
    return table
