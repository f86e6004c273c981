"""The registry's own runs: expiry of requests and retention of versions."""

from datetime import timedelta
from typing import Any

from django.utils.translation import gettext as _g
from django.utils.translation import gettext_lazy as _

from portal.registry import services
from portal.runs.context import RunContext
from portal.runs.kinds import run_task
from portal.runs.models import Queue
from portal.runs.services.schedules import Plan, declare

EXPIRE = "registry.expire_requests"
RETAIN = "registry.remove_old_versions"
CHECK = "registry.check_damaged"


@run_task(kind=EXPIRE, queue=Queue.MAINTENANCE, title=_("Expire promotion requests"))
def expire_requests(ctx: RunContext) -> dict[str, Any]:
    """Close requests whose time or ground is gone."""
    return {"n_closed": services.expire_due()}


@run_task(kind=RETAIN, queue=Queue.MAINTENANCE, title=_("Remove old model versions"))
def remove_old_versions(ctx: RunContext) -> dict[str, Any]:
    """Remove versions past retention that nothing refers to."""
    removed = services.remove_old_versions()
    ctx.log(
        _g("Versions removed: %(versions)d, files removed: %(files)d.")
        % {"versions": removed.n_versions, "files": removed.n_artifacts}
    )
    return removed.to_dict()


@run_task(kind=CHECK, queue=Queue.MAINTENANCE, title=_("Check damaged files again"))
def check_damaged(ctx: RunContext) -> dict[str, Any]:
    """Read again what an alert calls damaged, so that what was restored ends its alert."""
    return {"n_settled": services.check_damaged()}


declare(
    Plan(
        name="check-damaged-files",
        kind=CHECK,
        interval=timedelta(minutes=15),
        overlap_key=CHECK,
        description="Read again what an alert calls damaged; what is whole again ends its alert.",
    )
)
declare(
    Plan(
        name="expire-promotion-requests",
        kind=EXPIRE,
        interval=timedelta(minutes=5),
        overlap_key=EXPIRE,
        description="Close promotion requests whose time or ground is gone.",
    )
)
declare(
    Plan(
        name="remove-old-model-versions",
        kind=RETAIN,
        crontab="30 3 * * *",
        overlap_key=RETAIN,
        missed_policy="once",
        description="Remove model versions past retention that nothing refers to.",
    )
)
