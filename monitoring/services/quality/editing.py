"""What people set of expectations."""

import math
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from monitoring.models import Expectation, Rule
from portal.core import audit
from portal.core.actors import Actor
from portal.core.errors import FieldProblem, InvalidInput
from portal.lib import clock

PERMISSION = "monitoring.change_expectation"
#: What each rule takes.
FIELDS = {
    Rule.NULLS: ("max_share",),
    Rule.TYPE: ("max_share",),
    Rule.RANGE: ("low", "high", "max_share"),
    Rule.CATEGORY: ("allowed", "max_share"),
    Rule.DUPLICATES: ("max_share",),
    Rule.VOLUME: ("low", "high"),
    Rule.FRESHNESS: ("max_age_s",),
}


def change(
    *,
    expectation: Expectation,
    limits: dict[str, Any] | None,
    is_enabled: bool,
    reason: str,
    actor: Actor,
) -> Expectation:
    """Set limits that learning never touches, or give them back to it.

    Parameters
    ----------
    limits
        Of the rule's fields; None for what was learned.

    Raises
    ------
    Refused
        When the actor may not change expectations.
    InvalidInput
        When a limit makes no sense.
    """
    target = f"expectation {expectation}"
    with audit.refusals(actor, "expectation.change", target):
        actor.require(PERMISSION)
        if limits is not None:
            _check(Rule(expectation.rule), limits)
        with transaction.atomic():
            row = Expectation.objects.select_for_update().get(pk=expectation.pk)
            before = {"limits": row.limits, "is_enabled": row.is_enabled}
            row.edited, row.is_enabled = limits, is_enabled
            row.changed_by, row.changed_at = actor.name[:150], clock.now()
            row.save(update_fields=["edited", "is_enabled", "changed_by", "changed_at"])
            after = {"limits": row.limits, "is_enabled": row.is_enabled}
            detail = {"before": before, "after": after}
            audit.record(actor, "expectation.change", target, reason=reason, detail=detail)
    return row


def _check(rule: Rule, limits: dict[str, Any]) -> None:
    problems = []
    for name, value in limits.items():
        if name not in FIELDS[rule]:
            message = _("“%(name)s” is not known here.") % {"name": name}
            problems.append(FieldProblem(name, "unknown", message))
        elif name != "allowed" and value is not None and not _is_sensible(name, value):
            message = _("“%(name)s” is %(seen)s, which makes no sense for this rule.")
            said = message % {"name": name, "seen": value}
            problems.append(FieldProblem(name, "out_of_range", said))
    if "max_share" in FIELDS[rule] and limits.get("max_share") is None:
        message = _("No share is given: name the largest share of rows, from 0 to 1.")
        problems.append(FieldProblem("max_share", "blank", message))
    if rule == Rule.CATEGORY and not limits.get("allowed"):
        message = _("No value is allowed: name at least one, or do not check this rule.")
        problems.append(FieldProblem("allowed", "blank", message))
    low, high = limits.get("low"), limits.get("high")
    if not problems and low is not None and high is not None and low > high:
        message = _("The lower end, %(low)s, lies above the upper end, %(high)s.")
        problems.append(FieldProblem("low", "crossed", message % {"low": low, "high": high}))
    if problems:
        raise InvalidInput(" ".join(one.message for one in problems), problems=problems)


def _is_sensible(name: str, value: float) -> bool:
    if not math.isfinite(value):
        return False
    if name == "max_share":
        return 0 <= value <= 1
    return value > 0 if name == "max_age_s" else True
