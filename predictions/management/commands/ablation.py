from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils.translation import gettext as _
from rich.table import Table

from portal.runs.management import following
from portal.runs.models import Run
from predictions import dispatch
from predictions.engine.features import FEATURE_SETS
from predictions.engine.learners.families import FAMILIES
from predictions.engine.metrics import METRICS
from predictions.engine.parameters import CHOICE_SPECS
from predictions.management import arguments, console
from predictions.services import comparisons

LATENT = next(spec.values for spec in CHOICE_SPECS if spec.name == "n_latent")
SHOWN = ("pr_auc", "roc_auc", "f1", "brier")


class Command(BaseCommand):
    help = "Compare features, latent sizes and learners on the same folds and print the table."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dataset", required=True, help="Its number or name, or “latest”.")
        parser.add_argument("--features", nargs="+", choices=list(FEATURE_SETS), default=["all"])
        parser.add_argument("--latent", nargs="+", type=int, choices=list(LATENT), default=[0])
        parser.add_argument("--learners", nargs="+", choices=list(FAMILIES), default=list(FAMILIES))
        parser.add_argument(
            "--params", default="{}", help="Parameters of the reference as a JSON object."
        )
        parser.add_argument("--seed", type=int, help="For every random draw; drawn when left out.")
        parser.add_argument(
            "--no-wait", action="store_true", help="Start the campaign and end at once."
        )
        console.add_user_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        params = arguments.json_object(options["params"])
        screen = console.console(self.stdout)
        with console.plain_errors():
            actor = console.actor(options["user"])
            run = dispatch.ablate(
                dataset=arguments.dataset(options["dataset"]),
                actor=actor,
                params=params,
                axes={
                    "features": options["features"],
                    "n_latent": options["latent"],
                    "learners": options["learners"],
                },
                seed=options["seed"],
            )
            started = _("Run %(run)s: %(title)s, seed %(seed)d.")
            screen.print(
                started % {"run": run.pk, "title": run.title, "seed": run.seed}, markup=False
            )
            if options["no_wait"]:
                return
            screen.print(_table(following.follow(run, screen, actor)))


def _table(run: Run) -> Table:
    content = comparisons.table(comparisons.find(run.pk))
    assert content is not None  # noqa: S101 - the run succeeded
    title = _("%(protocol)s: %(rows)d shots tested")
    words = {"protocol": _(content["protocol"]["label"]), "rows": content["n_tested"]}
    table = Table(title=title % words, title_justify="left")
    table.add_column(_("Model"))
    for name in SHOWN:
        table.add_column(_(METRICS[name].label), justify="right")
    table.add_column(_("Gain"), justify="right")
    for cell in content["cells"]:
        named = f"{cell['learner']}, {cell['features']}, {cell['n_latent']}"
        gain = _("reference") if cell["is_reference"] else _gain(cell["gain"])
        style = "bold" if cell["is_best"] else None
        table.add_row(named, *_figures(cell["metrics"]), gain, style=style)
    for baseline in content["baselines"]:
        table.add_row(_(baseline["label"]), *_figures(baseline["metrics"]), "", style="dim")
    return table


def _figures(metrics: dict[str, Any]) -> list[str]:
    return [console.figure(metrics[name]) if name in metrics else console.NONE for name in SHOWN]


def _gain(gain: dict[str, Any] | None) -> str:
    return console.NONE if gain is None else console.figure(gain)
