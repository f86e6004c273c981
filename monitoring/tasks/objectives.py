"""Objectives are measured every hour, and reported every month."""

from collections import Counter
from datetime import datetime
from typing import Any

from django.utils import timezone, translation
from django.utils.translation import gettext as _g
from django.utils.translation import gettext_lazy as _

from monitoring.selectors.objectives import REPORT
from monitoring.services.objectives import evaluating, report
from portal.core.errors import FieldProblem, InvalidInput
from portal.lib import clock
from portal.lib.documents import render
from portal.runs.context import RunContext
from portal.runs.kinds import run_task
from portal.runs.models import Queue, Schedule
from portal.runs.services.schedules import Plan, declare

EVALUATE = "monitoring.evaluate_objectives"
FORMATS = ("html", "pdf")


@run_task(kind=EVALUATE, queue=Queue.MAINTENANCE, title=_("Measure the objectives"))
def evaluate(ctx: RunContext) -> dict[str, Any]:
    """Measure every objective and keep what was found."""
    found = evaluating.evaluate_all()
    evaluating.remove_old()
    return dict(Counter(str(one.status) for one in found))


@run_task(kind=REPORT, queue=Queue.MAINTENANCE, title=_("Write the monthly report"))
def monthly_report(ctx: RunContext) -> dict[str, Any]:
    """Write the report of a month in every language; by default of the month that ended last."""
    since, until = _month(ctx.parameters.get("month"))
    ctx.progress(0.1, phase="report")
    made = report.compile_report(since, until)
    name = f"{timezone.localtime(since):%Y-%m}"
    for language in report.LANGUAGES:
        written = report.document(made, language)
        for kind in FORMATS:
            ctx.check()
            with translation.override(language):
                content, media_type, suffix = render(written, kind)
            ctx.save_artifact(f"report-{name}.{language}.{suffix}", content, media_type)
    return {
        "month": name,
        "n_met": made.n_met,
        "n_missed": made.n_missed,
        "n_unmeasured": made.n_unmeasured,
    }


def _month(given: object) -> tuple[datetime, datetime]:
    if given is None:
        return report.month_before(clock.now())
    try:
        return report.month_named(str(given))
    except ValueError as exc:
        message = _g("“month” is “%(seen)s”: give a year and a month, as 2026-11.")
        said = message % {"seen": str(given)[:40]}
        problem = FieldProblem("month", "invalid", said)
        raise InvalidInput(said, problems=[problem]) from exc


declare(
    Plan(
        name="measure-objectives",
        kind=EVALUATE,
        crontab="10 * * * *",
        missed_policy=Schedule.MissedPolicy.ONCE,
        description="Measure every objective, keep the history, alert when one is missed.",
    )
)
declare(
    Plan(
        name="monthly-report",
        kind=REPORT,
        crontab="0 6 1 * *",
        missed_policy=Schedule.MissedPolicy.ONCE,
        description="Write the report of the month that ended, in Korean and English.",
    )
)
