from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from portal.runs.management import following
from portal.runs.models import Run
from predictions import dispatch
from predictions.management import console
from predictions.models import Dataset
from predictions.services import demo


class Command(BaseCommand):
    help = (
        "Make the demonstration: generated shots, a trained version, the first champion. What is "
        "done already is not done again, so it may be interrupted and run again. With --routing a "
        "run that makes the first routing champion is queued behind it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--shots", type=int, default=demo.N_SHOTS, help="How many to generate.")
        parser.add_argument(
            "--routing", action="store_true", help="Queue the routing demonstration as well."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with console.plain_errors():
            self._quality(options["shots"])
            if options["routing"]:
                self._routing()

    def _quality(self, n_shots: int) -> None:
        if demo.has_had_champion():
            self.stdout.write("The model has a champion: there is nothing to do.")
            return
        dataset = demo.ensure_dataset(n_shots=n_shots)
        run = demo.training_of(dataset) or _start(dataset)
        run = following.follow(run, console.console(self.stdout), demo.ACTOR)
        version = demo.crown(run)
        self.stdout.write(f"{version} is champion.")

    def _routing(self) -> None:
        run = dispatch.demonstrate_routing(actor=demo.ACTOR)
        if run is not None:
            self.stdout.write(f"Run {run.pk} makes the first routing champion.")


def _start(dataset: Dataset) -> Run:
    return dispatch.train(dataset=dataset, actor=demo.ACTOR, params=demo.PARAMS, seed=demo.SEED)
