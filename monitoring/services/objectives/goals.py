"""Changes that people make to objectives."""

import math
from collections.abc import Mapping

from django.db import transaction
from django.utils.translation import gettext as _

from monitoring.models import Objective
from monitoring.services.objectives import definitions
from portal.core import audit
from portal.core.actors import Actor
from portal.core.errors import FieldProblem, InvalidInput
from portal.lib import clock

PERMISSION = "monitoring.change_objective"
MOST_DAYS = 365


def change(
    *,
    objective: Objective,
    target: float | None,
    window_days: int,
    owner: str,
    parameters: Mapping[str, float | None],
    reason: str,
    actor: Actor,
) -> Objective:
    """Set the goal, window, owner and parameters of an objective.

    Raises
    ------
    Refused
        When the actor may not change objectives.
    InvalidInput
        When a value makes no sense.
    """
    with audit.refusals(actor, "objective.change", f"objective {objective.kind}"):
        actor.require(PERMISSION)
        _check(definitions.BY_KIND[objective.kind], target, window_days, parameters)
        with transaction.atomic():
            row = Objective.objects.select_for_update().get(pk=objective.pk)
            before = _plain(row)
            row.target, row.window_days, row.owner = target, window_days, owner.strip()[:150]
            row.parameters = {
                name: value for name, value in parameters.items() if value is not None
            }
            row.changed_by, row.changed_at = actor.name[:150], clock.now()
            row.save()
            audit.record(
                actor,
                "objective.change",
                f"objective {row.kind}",
                reason=reason,
                detail={"before": before, "after": _plain(row)},
            )
    return row


def _plain(row: Objective) -> dict[str, object]:
    return {
        "target": row.target,
        "window_days": row.window_days,
        "owner": row.owner,
        "parameters": row.parameters,
    }


def _check(
    known: definitions.Definition,
    target: float | None,
    window_days: int,
    parameters: Mapping[str, float | None],
) -> None:
    problems = []
    if not 1 <= window_days <= MOST_DAYS:
        message = _("The window is %(seen)d days: give 1 to %(most)d.")
        words = {"seen": window_days, "most": MOST_DAYS}
        problems.append(FieldProblem("window_days", "out_of_range", message % words))
    if target is not None and not _is_sensible(known, target):
        message = (
            _("The goal is %(seen)s: a share lies above 0 and below 1, as 0.95 does.")
            if known.unit == definitions.SHARE
            else _("The goal is %(seen)s: give a number above 0.")
        )
        problems.append(FieldProblem("target", "out_of_range", message % {"seen": target}))
    for name, value in parameters.items():
        if name not in known.parameters:
            message = _("“%(name)s” is not known here.") % {"name": name[:60]}
            problems.append(FieldProblem(name[:60], "unknown", message))
        elif value is not None and not (math.isfinite(value) and value >= 0):
            message = _("“%(name)s” is %(seen)s: give a number that is not negative.")
            said = message % {"name": name, "seen": value}
            problems.append(FieldProblem(name, "out_of_range", said))
    if problems:
        raise InvalidInput(" ".join(problem.message for problem in problems), problems=problems)


def _is_sensible(known: definitions.Definition, target: float) -> bool:
    if not math.isfinite(target) or target <= 0:
        return False
    return known.unit != definitions.SHARE or target < 1
