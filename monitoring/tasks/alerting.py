"""The notifier in the workers' main processes, and the removal of what is past its time."""

from typing import Any

from celery import signals
from django.utils.translation import gettext_lazy as _

from monitoring.services.alerting import retention, thread
from portal.runs.context import RunContext
from portal.runs.kinds import run_task
from portal.runs.models import Queue, Schedule
from portal.runs.services.schedules import Plan, declare

TIDY = "monitoring.tidy_deliveries"

_threads: dict[str, thread.Thread] = {}


@signals.worker_ready.connect
def start(sender: Any, **_kwargs: Any) -> None:
    """Begin when the worker takes messages, unless another of this machine does."""
    one = _threads[sender.hostname] = thread.Thread()
    one.start()


@signals.worker_shutting_down.connect
def stop(sender: str, **_kwargs: Any) -> None:
    """Let another worker of this machine go on at once."""
    if one := _threads.pop(sender, None):
        one.stopping.set()


@run_task(kind=TIDY, queue=Queue.MAINTENANCE, title=_("Remove old deliveries"))
def tidy(ctx: RunContext) -> dict[str, Any]:
    """Remove messages that were settled three months ago."""
    return retention.remove_old()


declare(
    Plan(
        name="tidy-deliveries",
        kind=TIDY,
        crontab="40 3 * * *",
        missed_policy=Schedule.MissedPolicy.ONCE,
        description="Remove what was told of alerts more than 90 days ago.",
    )
)
