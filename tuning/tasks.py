"""The kinds of runs of tuning."""

from typing import Any

from django.utils.translation import gettext_lazy as _

from portal.core.models import Scope
from portal.runs import kinds
from portal.runs.context import RunContext
from portal.runs.models import Queue

STUDY = "tuning.study"
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
    """Fit the forms of the put-rate model on the trials there are."""
    from tuning.services import put_fits  # noqa: PLC0415 - as above

    return put_fits.fit(ctx)
