"""Data are checked every hour, after it is over."""

from typing import Any

from django.utils.translation import gettext as _g
from django.utils.translation import gettext_lazy as _
from redis.exceptions import RedisError

from monitoring.services.quality import checking, datasets, quarantine
from portal.runs.context import RunContext
from portal.runs.kinds import run_task
from portal.runs.models import Queue, Schedule
from portal.runs.services.schedules import Plan, declare

CHECK = "monitoring.check_data_quality"


@run_task(kind=CHECK, queue=Queue.MAINTENANCE, title=_("Check the quality of data"))
def check(ctx: RunContext) -> dict[str, Any]:
    """Check every hour that is over and every new data set against what is expected."""
    try:
        quarantine.collect()
    except RedisError as exc:
        ctx.log(_g("Refused rows wait in Redis: %(why)s") % {"why": exc}, level="warning")
    n_windows = checking.check()
    ctx.check()
    return {"n_windows": n_windows, "n_datasets": datasets.check()}


declare(
    Plan(
        name="check-data-quality",
        kind=CHECK,
        crontab="15 * * * *",
        missed_policy=Schedule.MissedPolicy.ONCE,
        description="Check what each source sent in the last hour, and new data sets.",
    )
)
