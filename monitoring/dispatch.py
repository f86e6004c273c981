"""Start the runs of this app."""

from datetime import timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from monitoring.models import DriftWindow
from monitoring.selectors.objectives import REPORT
from monitoring.services.objectives import report
from monitoring.tasks.drift import CALIBRATE
from portal.core.actors import Actor
from portal.core.errors import FieldProblem, InvalidInput
from portal.lib import clock
from portal.runs import services as runs
from portal.runs.models import Run, State

FAILED = (State.FAILED, State.ERRORED, State.CANCELLED)
#: What failed is not tried again at once, over and over.
AGAIN_AFTER = timedelta(minutes=10)


def monthly_report(*, actor: Actor, month: str = "") -> Run:
    """Start the report of a month, by default of the one that ended last.

    Raises
    ------
    InvalidInput
        When the month is not given as ``2026-11``.
    """
    parameters = {"month": month} if month else {}
    try:
        if month:
            report.month_named(month)
    except ValueError as exc:
        message = _("“%(seen)s” is no month: give a year and a month, as 2026-11.")
        said = message % {"seen": month[:40]}
        raise InvalidInput(said, problems=[FieldProblem("month", "invalid", said)]) from exc
    with transaction.atomic():
        return runs.enqueue(
            kind=REPORT,
            actor=actor,
            parameters=parameters,
            title=_("Monthly report %(month)s") % {"month": month} if month else "",
        )


def calibrate_drift(*, window: DriftWindow, actor: Actor) -> Run | None:
    """Start learning the thresholds of a window.

    None when such a run is under way, or failed a while ago.

    Parameters
    ----------
    window
        What is watched.
    actor
        Who or what asks.
    """
    key = f"{CALIBRATE}:{window.pk}"
    with transaction.atomic():
        runs_before = Run.objects.filter(overlap_key=key)
        failed = runs_before.filter(state__in=FAILED, finished_at__gt=clock.now() - AGAIN_AFTER)
        if runs_before.active().exists() or failed.exists():
            return None
        return runs.enqueue(
            kind=CALIBRATE,
            actor=actor,
            parameters={"window": window.pk},
            title=_("Learn what is quiet for %(window)s") % {"window": window},
            overlap_key=key,
        )
