"""Sampling in the workers' main processes, and the sums and clean-up of what it wrote."""

from dataclasses import asdict
from typing import Any

from celery import signals
from django.utils.translation import gettext_lazy as _

from monitoring.services import sampling, series, usage
from monitoring.services.quality import checking, quarantine
from portal.runs.context import RunContext
from portal.runs.kinds import run_task
from portal.runs.models import Queue, Schedule
from portal.runs.services.schedules import Plan, declare

TIDY = "monitoring.tidy_figures"

_threads: dict[str, sampling.Thread] = {}


@signals.worker_ready.connect
def start(sender: Any, **_kwargs: Any) -> None:
    """Begin to sample when the worker takes messages, unless another of this machine does."""
    thread = _threads[sender.hostname] = sampling.Thread()
    thread.start()


@signals.worker_shutting_down.connect
def stop(sender: str, **_kwargs: Any) -> None:
    """Let another worker of this machine go on at once."""
    if thread := _threads.pop(sender, None):
        thread.stopping.set()


@run_task(kind=TIDY, queue=Queue.MAINTENANCE, title=_("Sum up and remove old figures"))
def tidy(ctx: RunContext) -> dict[str, Any]:
    """Sum figures up to hours, and remove those past their time."""
    usage.sum_up()
    series.sum_up()
    ctx.check()
    return {
        "usage": asdict(usage.remove_old()),
        "series": series.remove_old(),
        "quarantine": quarantine.remove_old(),
        "n_windows": checking.remove_old(),
    }


declare(
    Plan(
        name="tidy-figures",
        kind=TIDY,
        crontab="5 * * * *",
        missed_policy=Schedule.MissedPolicy.ONCE,
        description="Sum usage and counts up to hours, and remove what is past its time.",
    )
)
