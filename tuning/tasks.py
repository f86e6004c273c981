"""The kinds of runs of tuning."""

from datetime import timedelta
from typing import Any

from django.utils.translation import gettext_lazy as _

from portal.core.models import Scope
from portal.runs import kinds
from portal.runs.context import RunContext
from portal.runs.models import Queue, Schedule
from portal.runs.services.schedules import Plan, declare

STUDY, WATCH = "tuning.study", "tuning.settle_watches"
FIT_PUT_RATE = "tuning.fit_put_rate"
#: A study outlives several deaths of its worker: each costs it one trial.
MOST_ATTEMPTS = 10


@kinds.run_task(
    kind=STUDY,
    queue=Queue.BENCH,
    title=_("Tune a target"),
    max_attempts=MOST_ATTEMPTS,
    scope=Scope.TUNE,
)
def study(ctx: RunContext) -> dict[str, Any]:
    """Search and prove as long as the budget of a study lasts."""
    from tuning.services import running  # noqa: PLC0415 - the web process loads no optimizer

    return running.work(ctx)


@kinds.run_task(
    kind=FIT_PUT_RATE,
    queue=Queue.TRAIN,
    title=_("Fit the put-rate model"),
    scope=Scope.TUNE,
)
def fit_put_rate(ctx: RunContext) -> dict[str, Any]:
    """Fit the forms of the put-rate model on the trials there are.

    Started by its schedule, it leaves things as they are while there is little new to fit on.
    """
    from tuning.services import put_dues, put_fits  # noqa: PLC0415 - as above

    if ctx.parameters.get("if_due") and (why := put_dues.reason_to_wait()):
        ctx.log(why)
        return {"is_fitted": False, "why": why}
    return put_fits.fit(ctx)


@kinds.run_task(
    kind=WATCH, queue=Queue.MAINTENANCE, title=_("End watches over options"), scope=Scope.TUNE
)
def settle_watches(ctx: RunContext) -> dict[str, Any]:
    """End watches whose time is over, finish interrupted returns, remove old figures."""
    from tuning.services import instances, readings, watching  # noqa: PLC0415 - as above

    removed = {"n_removed": readings.remove_old(), "instances": instances.settle()}
    return watching.settle() | removed


declare(
    Plan(
        name="fit-put-rate",
        kind=FIT_PUT_RATE,
        crontab="30 3 * * 0",
        parameters={"if_due": True},
        overlap_key=FIT_PUT_RATE,
        missed_policy=Schedule.MissedPolicy.ONCE,
        description="Fit the put-rate model anew when enough trials were measured since the last.",
    )
)
declare(
    Plan(
        name="settle-option-watches",
        kind=WATCH,
        interval=timedelta(minutes=5),
        overlap_key=WATCH,
        description="End watches over options whose time is over; remove old readings and samples.",
    )
)
