"""The watch on drift: learn thresholds, judge by labels, clean up."""

from datetime import timedelta
from typing import Any

from django.utils.translation import gettext_lazy as _

from monitoring.services.drift import judging, learning, query_watches, upkeep
from portal.lib import clock
from portal.runs.context import RunContext
from portal.runs.kinds import run_task
from portal.runs.models import Queue, Schedule
from portal.runs.services.schedules import Plan, declare

CALIBRATE = "monitoring.calibrate_drift"
JUDGE = "monitoring.judge_by_labels"
LOOK_AT_QUERIES = "monitoring.watch_queries"
CLEAN = "monitoring.remove_old_drift"


@run_task(kind=CALIBRATE, queue=Queue.MAINTENANCE, title=_("Learn what is quiet"))
def calibrate_drift(ctx: RunContext) -> dict[str, Any]:
    """Learn the thresholds of one window from its reference and its past."""
    return learning.calibrate(ctx, window_id=ctx.parameters["window"])


@run_task(kind=JUDGE, queue=Queue.MAINTENANCE, title=_("Judge live versions by labels"))
def judge_by_labels(ctx: RunContext) -> dict[str, Any]:
    """Compare what labels say of live versions with what they were judged with."""
    return judging.judge_all(clock.now())


@run_task(
    kind=LOOK_AT_QUERIES, queue=Queue.MAINTENANCE, title=_("Watch what search indexes are asked")
)
def watch_queries(ctx: RunContext) -> dict[str, Any]:
    """Compare what live search indexes are asked with what was asked when they were built."""
    return query_watches.look_all(clock.now(), ctx.seed, ctx.check)


@run_task(kind=CLEAN, queue=Queue.MAINTENANCE, title=_("Remove old courses of drift"))
def remove_old_drift(ctx: RunContext) -> dict[str, Any]:
    """Remove old points of courses, and the windows of versions that are gone."""
    return upkeep.remove_old(clock.now())


declare(
    Plan(
        name="judge-by-labels",
        kind=JUDGE,
        interval=timedelta(minutes=10),
        description="Compare what labels say of live versions with what they were judged with.",
    )
)
declare(
    Plan(
        name="watch-queries",
        kind=LOOK_AT_QUERIES,
        interval=timedelta(minutes=10),
        overlap_key=LOOK_AT_QUERIES,
        description="Compare what live search indexes are asked with what was asked before.",
    )
)
declare(
    Plan(
        name="remove-old-drift",
        kind=CLEAN,
        crontab="40 3 * * *",
        missed_policy=Schedule.MissedPolicy.ONCE,
        description="Remove old points of drift courses, and windows of versions that are gone.",
    )
)
