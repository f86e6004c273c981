"""The daily clean-up of this app's tables and files."""

from dataclasses import asdict
from typing import Any

from django.utils.translation import gettext_lazy as _

from portal.runs.context import RunContext
from portal.runs.kinds import run_task
from portal.runs.models import Queue, Schedule
from portal.runs.services import retention
from portal.runs.services.schedules import Plan, declare

KIND = "portal.remove_old_events"


@run_task(kind=KIND, queue=Queue.MAINTENANCE, title=_("Remove old run events"))
def remove_old_events(ctx: RunContext) -> dict[str, Any]:
    """Remove events, slots, heartbeats and stray files past their time."""
    return asdict(retention.remove_old())


declare(
    Plan(
        name="remove-old-run-events",
        kind=KIND,
        crontab="10 3 * * *",
        missed_policy=Schedule.MissedPolicy.ONCE,
        description="Remove run events, settled due times and stray files past their time.",
    )
)
