"""The weekly report is written every Monday, and on demand."""

from typing import Any

from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _g
from django.utils.translation import gettext_lazy as _

from portal.console.services import weekly
from portal.core import notices
from portal.lib import clock
from portal.lib.documents import render
from portal.runs.context import RunContext
from portal.runs.kinds import run_task
from portal.runs.models import Queue, Schedule
from portal.runs.services.schedules import Plan, declare

WEEKLY = "console.weekly_report"
FORMATS = ("html", "pdf")


@run_task(kind=WEEKLY, queue=Queue.MAINTENANCE, title=_("Write the weekly report"))
def weekly_report(ctx: RunContext) -> dict[str, Any]:
    """Write the report of a week in every language, as HTML and PDF, and tell of it."""
    named = ctx.parameters.get("week")
    monday = weekly.week_named(str(named)) if named else weekly.week_before(clock.now())
    for place, language in enumerate(weekly.LANGUAGES):
        ctx.progress(0.1 + 0.4 * place, phase="report")
        made = weekly.document(monday, language)
        for kind in FORMATS:
            ctx.check()
            with translation.override(language):
                content, media_type, suffix = render(made, kind)
            ctx.save_artifact(f"week-{monday:%Y-%m-%d}.{language}.{suffix}", content, media_type)
    notices.send(
        kind="report.written",
        subject=_g("The weekly model report of %(week)s is written.") % {"week": monday},
        body=_g("Quality, drift, runs, promotions and value, as HTML and PDF."),
        url=reverse("admin:runs_run_change", args=[ctx.run_id]),
        key=f"weekly:{ctx.run_id}",
    )
    return {"week": monday.isoformat()}


declare(
    Plan(
        name="weekly-report",
        kind=WEEKLY,
        crontab="0 7 * * 1",
        missed_policy=Schedule.MissedPolicy.ONCE,
        description="Write the report of the week that ended, in Korean and English.",
    )
)
