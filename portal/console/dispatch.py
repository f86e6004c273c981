"""Start the runs of the console."""

from django.db import transaction

from portal.console.services import weekly
from portal.console.tasks import WEEKLY
from portal.core.actors import Actor
from portal.runs import services as runs
from portal.runs.models import Run


def weekly_report(*, actor: Actor, week: str = "") -> Run:
    """Start the report of a week, by default of the last whole one.

    Parameters
    ----------
    actor
        Who or what asks.
    week
        Any date in the week, as ``2026-11-16``.

    Raises
    ------
    InvalidInput
        When the week is no date.
    """
    parameters = {"week": weekly.week_named(week).isoformat()} if week else {}
    with transaction.atomic():
        return runs.enqueue(kind=WEEKLY, actor=actor, parameters=parameters)
