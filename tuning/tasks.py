"""The kinds of runs of tuning."""

from typing import Any

from django.utils.translation import gettext_lazy as _

from portal.core.models import Scope
from portal.runs import kinds
from portal.runs.context import RunContext
from portal.runs.models import Queue

STUDY = "tuning.study"
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
