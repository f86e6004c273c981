from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _
from rich.console import Console
from rich.table import Table

from portal.core.actors import Actor
from portal.runs.management import console, following
from search.lab import dispatch
from search.lab.services.tuning import Wish
from search.services import collections


class Command(BaseCommand):
    help = (
        "Find links, build breadth and search breadth of a graph that reaches a recall, prove it "
        "against the engine's defaults, and give it to a collection when asked."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--engine", default="millwright", help="The graph that is tuned.")
        parser.add_argument("--recall", type=float, default=0.95, help="Least recall@10.")
        parser.add_argument("--trials", type=int, default=20, metavar="N", help="Graphs to build.")
        parser.add_argument("--scale", type=int, default=10_000, help="Generated passages.")
        parser.add_argument("--dimension", type=int, default=256, help="Length of the vectors.")
        parser.add_argument("--collection", default="", help="Tune on the passages of this one.")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument(
            "--apply",
            default="",
            metavar="COLLECTION",
            help="Build the next index of this collection with what was found.",
        )
        parser.add_argument("--no-wait", action="store_true", help="Start the run and return.")
        console.add_user_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        screen = console.console(self.stdout)
        with console.plain_errors():
            actor = console.actor(options["user"])
            _check(options)
            run = dispatch.tune(wish=_wish(options), actor=actor)
            screen.print(_("Tuning run %(run)s.") % {"run": run.pk}, markup=False)
            if options["no_wait"]:
                return
            result = following.follow(run, screen, actor).result
            _print(result, screen)
            if options["apply"]:
                apply(result, options["apply"], actor, screen)


def _check(options: dict[str, Any]) -> None:
    if not options["apply"]:
        return
    if options["engine"] != "millwright":
        raise CommandError(
            _("Collections are searched by the engine millwright: %(engine)s cannot be applied.")
            % {"engine": options["engine"]}
        )
    if options["no_wait"]:
        raise CommandError(_("What is not waited for cannot be applied: leave out --no-wait."))
    collections.get(options["apply"])


def _wish(options: dict[str, Any]) -> Wish:
    return Wish(
        engine=options["engine"],
        recall=options["recall"],
        n_trials=options["trials"],
        scale=options["scale"],
        dimension=options["dimension"],
        collection=options["collection"],
        seed=options["seed"],
    )


def _print(result: dict[str, Any], screen: Console) -> None:
    duel = result["duel"]
    table = Table(title=_("Recall %(wanted)s on %(engine)s") % {
        "wanted": result["recall"], "engine": result["engine"]
    })  # fmt: skip
    for heading in ("", "recall@10", "p50 ms", _("build (s)"), "MB"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, prefix in ((_("found"), ""), (_("defaults"), "default_")):
        table.add_row(
            name,
            _figure(duel[f"{prefix}recall"], 4),
            _figure(duel[f"{prefix}p50_ms"], 3),
            f"{result[f'{prefix}build_s']:.1f}",
            f"{result[f'{prefix}size_bytes'] / 1e6:.1f}",
        )
    screen.print(table)
    found = ", ".join(f"{name}={value}" for name, value in result["parameters"].items())
    screen.print(_("Parameters: %(parameters)s.") % {"parameters": found}, markup=False)
    screen.print(
        _("Latency over that of the defaults: %(ratio)s, so %(verdict)s.")
        % {"ratio": _figure(duel["ratio"], 3), "verdict": _verdict(duel["verdict"])},
        markup=False,
    )
    if not result["reached"]:
        screen.print(
            _(
                "On questions that chose nothing the recall is not surely reached: tune on more "
                "questions, or ask for a little less."
            )
        )


def apply(result: dict[str, Any], name: str, actor: Actor, screen: Console) -> None:
    """Have the next index of a collection built with what a tuning run found."""
    run = dispatch.apply(result=result, collection=name, actor=actor)
    screen.print(
        _(
            "The next index of “%(name)s” is built with it, run %(run)s. It is built in another "
            "way than the live one, so it goes live once a second person has approved it."
        )
        % {"name": name, "run": run.pk},
        markup=False,
    )


def _figure(figure: dict[str, float], places: int) -> str:
    low, high = figure["low"], figure["high"]
    return f"{figure['value']:.{places}f} ({low:.{places}f}-{high:.{places}f})"


def _verdict(code: str) -> str:
    return {
        "faster": _("faster"),
        "slower": _("slower"),
        "same": _("the same"),
        "inconclusive": _("inconclusive"),
    }[code]
