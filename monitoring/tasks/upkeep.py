"""What the portal does about itself every night."""

from typing import Any

from django.utils.translation import gettext_lazy as _

from portal.core import idempotency
from portal.core.audit_verification import verify_and_alert
from portal.runs.context import RunContext
from portal.runs.kinds import run_task
from portal.runs.models import Queue, Schedule
from portal.runs.services.schedules import Plan, declare

VERIFY = "monitoring.verify_audit"
FORGET = "monitoring.remove_idempotency_records"


@run_task(kind=VERIFY, queue=Queue.MAINTENANCE, title=_("Verify the audit log"))
def verify_audit(ctx: RunContext) -> dict[str, Any]:
    """Compare every digest of the audit log; alert when one is wrong."""
    report = verify_and_alert()
    for line in report.breaks:
        ctx.log(line, level="error")
    return {"is_intact": report.is_intact, "n_entries": report.n_entries, "end": report.end}


@run_task(kind=FORGET, queue=Queue.MAINTENANCE, title=_("Remove old idempotency records"))
def remove_idempotency_records(ctx: RunContext) -> dict[str, Any]:
    """Remove the answers that are no longer given again."""
    return {"n_removed": idempotency.remove_expired()}


declare(
    Plan(
        name="verify-audit-log",
        kind=VERIFY,
        crontab="20 2 * * *",
        missed_policy=Schedule.MissedPolicy.ONCE,
        description="Read the whole audit log and compare every digest; alert when one is wrong.",
    )
)
declare(
    Plan(
        name="remove-idempotency-records",
        kind=FORGET,
        crontab="15 * * * *",
        description="Remove answers kept for an Idempotency-Key once their day is over.",
    )
)
