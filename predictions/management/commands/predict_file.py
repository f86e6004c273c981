import os
import shutil
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from portal.runs import artifacts
from portal.runs.management import following
from portal.runs.models import Run, RunArtifact
from predictions import dispatch
from predictions.management import console
from predictions.services import file_batches, file_runs
from predictions.services.models import MODEL_NAME

FORMS = {Path(name).suffix: name for name in file_runs.RESULTS}


class Command(BaseCommand):
    help = "Predict every row of a file in a worker, show the progress and write the result."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="CSV or Parquet.")
        parser.add_argument(
            "--output", type=Path, required=True, help="Where to: a name in .parquet or .csv."
        )
        parser.add_argument("--model", default=MODEL_NAME)
        parser.add_argument("--version-number", type=int, help="By default the champion's.")
        parser.add_argument("--overwrite", action="store_true", help="Replace an existing output.")
        console.add_user_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        screen = console.console(self.stdout)
        target = _target(Path(options["output"]), overwrite=options["overwrite"])
        source = Path(options["file"])
        with console.plain_errors():
            actor = console.actor(options["user"])
            kept = file_batches.keep_input(source)
            run = dispatch.predict_file(
                source=kept,
                source_name=source.name,
                actor=actor,
                model_name=options["model"],
                version=options["version_number"],
            )
            screen.print(
                _("Run %(run)s: %(title)s.") % {"run": run.pk, "title": run.title}, markup=False
            )
            run = following.follow(run, screen, actor)
            _fetch(run, target)
        said = _(
            "%(rows)d rows by version %(version)d of %(model)s: %(ok)d answered, %(invalid)d "
            "invalid. The result is in %(path)s."
        )
        screen.print(said % {**run.result, "path": target}, markup=False)


def _target(path: Path, *, overwrite: bool) -> Path:
    if path.suffix not in FORMS:
        raise CommandError(
            _("--output is %(path)s: give a name that ends in .parquet or .csv.") % {"path": path}
        )
    if not path.parent.is_dir():
        raise CommandError(
            _("The folder %(folder)s does not exist: make it first.") % {"folder": path.parent}
        )
    if path.exists() and not overwrite:
        raise CommandError(
            _("%(path)s exists: give another name, or --overwrite.") % {"path": path}
        )
    return path


def _fetch(run: Run, target: Path) -> None:
    """Write the result beside its place first, so that the name never holds half of it."""
    kept = RunArtifact.objects.get(run=run, name=FORMS[target.suffix])
    half = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with artifacts.open_verified(kept.artifact_id) as path:
            shutil.copyfile(path, half)
        half.replace(target)
    except OSError as exc:
        half.unlink(missing_ok=True)
        raise CommandError(
            _("%(path)s cannot be written: %(reason)s. The result is kept with run %(run)s.")
            % {"path": target, "reason": exc.strerror or exc, "run": run.pk}
        ) from exc
