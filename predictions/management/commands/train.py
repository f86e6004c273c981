from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils.translation import gettext as _

from portal.registry.models import ModelVersion
from portal.runs.models import Run
from predictions import dispatch
from predictions.management import arguments, console, following


class Command(BaseCommand):
    help = "Train a version of a model on a data set, show the progress and print the evaluation."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("model", help="Such as diecasting-quality.")
        parser.add_argument("--dataset", required=True, help="Its number or name, or “latest”.")
        parser.add_argument("--params", default="{}", help="Training parameters as a JSON object.")
        parser.add_argument("--seed", type=int, help="For every random draw; drawn when left out.")
        parser.add_argument(
            "--no-wait", action="store_true", help="Start the training and end at once."
        )
        console.add_user_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        params = arguments.json_object(options["params"])
        screen = console.console(self.stdout)
        with console.plain_errors():
            actor = console.actor(options["user"])
            run = dispatch.train(
                dataset=arguments.dataset(options["dataset"]),
                actor=actor,
                params=params,
                model_name=options["model"],
                seed=options["seed"],
            )
            started = _("Run %(run)s: %(title)s, seed %(seed)d.")
            screen.print(
                started % {"run": run.pk, "title": run.title, "seed": run.seed}, markup=False
            )
            if options["no_wait"]:
                return
            self._show(following.follow(run, screen, actor))

    def _show(self, run: Run) -> None:
        screen = console.console(self.stdout)
        version = ModelVersion.objects.select_related("model").get(run=run)
        evaluation = version.evaluation
        for table in console.evaluation_tables(evaluation):
            screen.print(table)
        screen.print(
            _(
                "Version %(number)d of %(model)s is registered: %(rows)d shots, %(distinct)d of "
                "them distinct; threshold %(threshold).3f."
            )
            % {
                "number": version.number,
                "model": version.model.name,
                "rows": evaluation["n_rows"],
                "distinct": evaluation["n_distinct"],
                "threshold": evaluation["threshold"],
            },
            markup=False,
        )
