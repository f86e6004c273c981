from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _
from rich.console import Console
from rich.table import Table
from rich.text import Text

from portal.core import formats
from portal.core.actors import Actor
from portal.runs.management import console, following
from portal.runs.models import Run
from search.lab import dispatch, selectors
from search.lab.engine.matrix import PROFILES, SEARCH_TYPES, Matrix
from search.lab.engine.statistics import Figure
from search.lab.management import dashboard
from search.lab.models import Campaign
from search.lab.services import campaigns, estimates, naming, parameters

#: What says how a campaign is begun; one that goes on is as it was begun.
BEGINNING = (
    "profile", "all", "scales", "dimensions", "search_types", "filters", "engines", "lexical",
    "parameters", "collection", "name", "seed", "parallel", "workers", "max_memory", "clients",
    "recall", "passes", "tries", "timed_builds",
)  # fmt: skip
LATER = ("resume", "attach", "pause", "cancel")


class Command(BaseCommand):
    help = (
        "Measure search engines over a matrix of sizes, vector lengths, ways of searching and "
        "filters, in a worker, and print what every cell gave."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--profile", choices=sorted(PROFILES), default="quick")
        parser.add_argument("--all", action="store_true", help="All scales, lengths and filters.")
        parser.add_argument("--scales", type=int, nargs="+", metavar="N")
        parser.add_argument("--dimensions", type=int, nargs="+", metavar="D")
        parser.add_argument("--search-types", nargs="+", choices=SEARCH_TYPES)
        parser.add_argument(
            "--filters", nargs="+", metavar="SHARE", help="Shares from 0.001 to 0.999, or none."
        )
        parser.add_argument("--engines", nargs="+", metavar="ENGINE")
        parser.add_argument(
            "--parameters", nargs="+", default=[], metavar="ENGINE.NAME=VALUE",
            help="Of engines, as in hnswlib.m=32.",
        )  # fmt: skip
        parser.add_argument("--lexical", default="tantivy", help="Leg of hybrid cells.")
        parser.add_argument(
            "--collection", default="", help="Measure on the passages of a collection of yours."
        )
        parser.add_argument("--name", default="")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--parallel", action="store_true", help="Build indexes side by side.")
        parser.add_argument(
            "--workers", type=int, metavar="N",
            help="Builds at once, with --parallel; as many as cores and memory allow if left out.",
        )  # fmt: skip
        parser.add_argument(
            "--max-memory", type=int, default=0, metavar="MB", help="Of one cell; 0 for no cap."
        )
        parser.add_argument(
            "--clients", type=int, nargs="+", default=[1, 2, 4], metavar="N",
            help="Numbers of clients whose throughput is measured.",
        )  # fmt: skip
        parser.add_argument(
            "--recall", type=float, metavar="SHARE",
            help="Search each graph as broadly as it needs for this recall@10.",
        )  # fmt: skip
        parser.add_argument(
            "--passes", type=int, default=5, help="Times that a cell is measured, apart in time."
        )
        parser.add_argument(
            "--tries", type=int, default=3, help="Of a pass that other work disturbed."
        )
        parser.add_argument(
            "--only-builds", action="store_true", help="Build every index, then rest."
        )
        parser.add_argument(
            "--timed-builds", type=int, default=0, metavar="N",
            help="Build in sequence and in parallel, N times in turns, and report both.",
        )  # fmt: skip
        parser.add_argument("--pause", metavar="CAMPAIGN", help="Let one rest.")
        parser.add_argument("--cancel", metavar="CAMPAIGN", help="Stop one.")
        parser.add_argument(
            "--resume", nargs="?", const="latest", metavar="CAMPAIGN", help="Go on with one."
        )
        parser.add_argument("--no-wait", action="store_true", help="Start the run and return.")
        parser.add_argument(
            "--dashboard", action="store_true", help="Show it live; q leaves it at work."
        )
        parser.add_argument(
            "--attach", metavar="CAMPAIGN", help="Show a campaign live that is at work already."
        )
        console.add_user_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        screen = console.console(self.stdout)
        with console.plain_errors():
            actor = console.actor(options["user"])
            self._refuse_what_begins(options)
            if options["attach"]:
                _show(naming.called(options["attach"]), screen)
                return
            if options["pause"] or options["cancel"]:
                screen.print(_stopped(options, actor), markup=False)
                return
            if options["resume"]:
                campaign = naming.called(options["resume"])
                run = dispatch.resume(
                    campaign=campaign, actor=actor, only_builds=options["only_builds"]
                )
            else:
                campaign = dispatch.start(
                    plan=_plan(options),
                    name=options["name"],
                    actor=actor,
                    wishes=_wishes(options),
                    collection=options["collection"],
                    only_builds=options["only_builds"],
                    timed_builds=options["timed_builds"],
                )
                run = Run.objects.get(pk=str(campaign.run_id))
            remaining = estimates.remaining(campaign)
            screen.print(
                _("Campaign %(campaign)s with %(count)d cells, run %(run)s, about %(time)s.")
                % {
                    "campaign": campaign.pk,
                    "count": campaign.cells.count(),
                    "run": run.pk,
                    "time": formats.duration(remaining.seconds),
                },
                markup=False,
            )
            if options["no_wait"]:
                return
            if options["dashboard"]:
                _show(campaign, screen)
                return
            following.follow(run, screen, actor)
            screen.print(table(campaign))

    def _refuse_what_begins(self, options: dict[str, Any]) -> None:
        """Refuse options that would be passed over, since the campaign has begun without them."""
        later = next((name for name in LATER if options[name]), None)
        if later is None:
            return
        parser = self.create_parser("manage.py", "benchmark")
        for name in BEGINNING:
            if options[name] != parser.get_default(name):
                raise CommandError(
                    _(
                        "%(option)s says how a campaign begins, and --%(later)s names one that has "
                        "begun: leave it out, or begin another campaign."
                    )
                    % {"option": "--" + name.replace("_", "-"), "later": later}
                )


def _stopped(options: dict[str, Any], actor: Actor) -> str:
    """Let a campaign rest or stop it; returns what was done."""
    campaign = naming.called(options["pause"] or options["cancel"])
    if options["pause"]:
        campaigns.pause(campaign=campaign)
        said = _("“%(name)s” was asked to rest; benchmark --resume %(campaign)s goes on.")
    else:
        campaigns.cancel(campaign=campaign, actor=actor)
        said = _("“%(name)s” was asked to stop; what is measured stays.")
    return said % {"name": campaign, "campaign": campaign.pk}


def _show(campaign: Campaign, screen: Console) -> None:
    """Show a campaign live until its run is over or somebody leaves."""
    if not screen.is_terminal:
        screen.print(dashboard.frame(campaign, screen.width))
        return
    if dashboard.watch(campaign, screen):
        screen.print(table(campaign))
        return
    screen.print(
        _(
            "The campaign goes on: benchmark --attach %(campaign)s shows it again, its run can be "
            "cancelled among the runs."
        )
        % {"campaign": campaign.pk},
        markup=False,
    )


def table(campaign: Campaign) -> Table:
    """Return the cells of a campaign as a table for the terminal."""
    shown = Table(title=campaign.name)
    for heading in (
        _("cell"),
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "recall@10",
        _("per second"),
        _("note"),
    ):
        shown.add_column(heading, justify="left" if heading in {_("cell"), _("note")} else "right")
    for line in selectors.lines(campaign):
        figures = (line.p50, line.p95, line.p99, line.recall, line.throughput)
        row = (line.label, *(_shown(one) for one in figures), selectors.note(line))
        shown.add_row(*map(Text, row))
    return shown


def _shown(figure: Figure | None) -> str:
    return "-" if figure is None else str(figure)


def _wishes(options: dict[str, Any]) -> campaigns.Wishes:
    return campaigns.Wishes(
        n_workers=campaigns.wanted_workers(
            is_parallel=options["parallel"], n_workers=options["workers"]
        ),
        memory_mb=options["max_memory"],
        seed=options["seed"],
        clients=options["clients"],
        n_passes=options["passes"],
        max_tries=options["tries"],
    )


def _plan(options: dict[str, Any]) -> Matrix:
    axes: dict[str, Any] = {"lexical": options["lexical"]}
    if options["parameters"]:
        axes["parameters"] = parameters.read(options["parameters"])
    for name in ("scales", "dimensions", "search_types", "engines"):
        if options[name]:
            axes[name] = options[name]
    if options["recall"] is not None:
        axes["recall"] = options["recall"]
    if options["filters"]:
        axes["filters"] = [_share(one) for one in options["filters"]]
    profile = "full" if options["all"] else options["profile"]
    return campaigns.matrix(axes, profile=profile, collection=options["collection"])


def _share(text: str) -> float | None:
    if text == "none":
        return None
    try:
        return float(text)
    except ValueError:
        raise CommandError(
            _("The filter “%(value)s” is no share: write none or a number from 0.001 to 0.999.")
            % {"value": text}
        ) from None
