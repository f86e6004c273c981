from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils.translation import gettext as _
from rich.table import Table

from portal.core.errors import NotFound
from portal.runs.management import console, following
from portal.runs.models import Run
from tuning import dispatch, selectors
from tuning.models import Study
from tuning.services import asking, imports, targets


class Command(BaseCommand):
    help = (
        "Search for better options of a target in a worker, prove the best of them against the "
        "options in use, and say whether there is a gain."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--target", default="rocksdb", metavar="TARGET")
        parser.add_argument("--workload", default="", metavar="NAME")
        parser.add_argument("--budget", default="10m", metavar="TIME", help="Such as 90s, 10m, 2h.")
        parser.add_argument("--trials", type=int, help="Most trials of the search.")
        parser.add_argument("--pairs", type=int, help="Most pairs of the proof.")
        parser.add_argument("--trial-seconds", type=float)
        parser.add_argument(
            "--weight",
            action="append",
            default=[],
            metavar="FACTOR=NUMBER",
            help="throughput, latency, accuracy or scaling; can be given again.",
        )
        parser.add_argument("--pareto", action="store_true", help="Search the factors together.")
        parser.add_argument("--sampler", choices=asking.SAMPLERS, default="tpe")
        parser.add_argument("--pruner", choices=asking.PRUNERS, default="none")
        parser.add_argument("--option", nargs="+", metavar="NAME", help="Only these may change.")
        parser.add_argument(
            "--options-file", metavar="FILE", help="An OPTIONS file of RocksDB: what is in use."
        )
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--name", default="")
        parser.add_argument(
            "--resume", metavar="STUDY", help="Go on with one: its number, name or “latest”."
        )
        parser.add_argument("--list", action="store_true", help="Show what can be tuned.")
        parser.add_argument("--no-wait", action="store_true", help="Start the run and return.")
        console.add_user_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        screen = console.console(self.stdout)
        with console.plain_errors():
            if options["list"]:
                screen.print(_targets())
                return
            actor = console.actor(options["user"])
            if options["resume"]:
                study = find(options["resume"])
                dispatch.resume(study=study, actor=actor)
            else:
                study = dispatch.start(actor=actor, **_asked(options))
            study.refresh_from_db()
            run = Run.objects.get(pk=str(study.run_id))
            screen.print(
                _("Study %(study)s of %(target)s, run %(run)s.")
                % {"study": study.pk, "target": study.target, "run": run.pk},
                markup=False,
            )
            if options["no_wait"]:
                return
            following.follow(run, screen, actor)
            study.refresh_from_db()
            screen.print(selectors.sentence(study), markup=False)
            screen.print(_trials(study))


def find(wanted: str) -> Study:
    """Return a study by its number, its name or ``latest``.

    Raises
    ------
    NotFound
        If there is none.
    """
    known = Study.objects.all()
    found = known.first() if wanted == "latest" else known.filter(name=wanted).first()
    if found is None:
        found = next((one for one in known if str(one.pk).startswith(wanted)), None)
    if found is None:
        raise NotFound(
            _("There is no study “%(wanted)s”: start one with the command tune.")
            % {"wanted": wanted},
            code="no_study",
        )
    return found


def _asked(options: dict[str, Any]) -> dict[str, Any]:
    budget = {
        "seconds": options["budget"],
        "trials": options["trials"],
        "pairs": options["pairs"],
        "trial_seconds": options["trial_seconds"],
        "sampler": options["sampler"],
        "pruner": options["pruner"],
    }
    objective: dict[str, Any] = {"mode": "pareto" if options["pareto"] else "weighted"}
    if options["weight"]:
        objective["weights"] = dict(_weight(one) for one in options["weight"])
    file = options["options_file"]
    return {
        "target": options["target"],
        "workload": options["workload"],
        "objective": objective,
        "budget": budget,
        "space": {name: {} for name in options["option"] or ()},
        "current": imports.options_in_use(Path(file)) if file else None,
        "seed": options["seed"],
        "name": options["name"],
    }


def _weight(text: str) -> tuple[str, float]:
    factor, _equals, number = text.partition("=")
    try:
        return factor, float(number)
    except ValueError as exc:
        raise asking.problem(
            "weight",
            "wrong_number",
            _("“%(seen)s” is no weight: write such as latency=2.") % {"seen": text[:60]},
        ) from exc


def _targets() -> Table:
    shown = Table(title=_("What can be tuned"))
    for heading in (_("target"), _("what it is"), _("workloads"), _("options")):
        shown.add_column(heading)
    for target in targets.offered():
        shown.add_row(
            target.name,
            _(target.title),
            ", ".join(one.name for one in target.workloads()) or "-",
            ", ".join(one.name for one in target.options()),
        )
    return shown


def _trials(study: Study) -> Table:
    shown = Table(title=study.name)
    for heading in ("#", _("what for"), _("state"), _("gain"), _("changed options")):
        shown.add_column(heading)
    for trial in study.trials.all():
        gain = "-" if trial.score is None else f"{selectors.ratio(trial.score):.3f}"
        changed = ", ".join(f"{name}={value}" for name, value in trial.changed.items())
        note = selectors.reason(trial) or changed or "-"
        origin = selectors.came_from(trial)
        role = f"{trial.get_role_display()}, {origin}" if origin else trial.get_role_display()
        shown.add_row(str(trial.number), role, trial.get_state_display(), gain, note)
    return shown
