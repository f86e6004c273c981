from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils.translation import gettext as _
from rich.console import Console

from portal.registry.models import ModelVersion
from portal.runs.management import following
from portal.runs.models import Run
from predictions import dispatch
from predictions.management import arguments, console
from predictions.management.routing import routing_evaluation_tables
from predictions.models import Dataset
from predictions.services.routing.models import FAMILY_NAME, is_routing


class Command(BaseCommand):
    help = "Train a version of a model on a data set, show the progress and print the evaluation."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("model", help="Such as diecasting-quality or item-routing.")
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
                dataset=arguments.dataset(options["dataset"], _kind(options["model"])),
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
        if version.model.family == FAMILY_NAME:
            self._show_routing(version, screen)
            return
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

    def _show_routing(self, version: ModelVersion, screen: Console) -> None:
        evaluation = version.evaluation
        for table in routing_evaluation_tables(evaluation):
            screen.print(table)
        said = _(
            "Version %(number)d of %(model)s is registered: %(items)d items learnt from, judged on "
            "%(judged)d, %(refused)d of them refused."
        )
        numbers = {
            "number": version.number,
            "model": version.model.name,
            "items": evaluation["training"]["n_items"],
            "judged": evaluation["n_items"],
            "refused": evaluation["n_refused"],
        }
        screen.print(said % numbers, markup=False)


def _kind(model_name: str) -> Dataset.Kind:
    return Dataset.Kind.ROUTING if is_routing(model_name) else Dataset.Kind.QUALITY
