"""Start the runs of this app."""

from django.db import transaction
from django.utils.translation import gettext as _

from monitoring.selectors.objectives import REPORT
from monitoring.services.objectives import report
from portal.core.actors import Actor
from portal.core.errors import FieldProblem, InvalidInput
from portal.runs import services as runs
from portal.runs.models import Run


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
