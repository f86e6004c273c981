"""Rules: made, changed and removed by administrators."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import time
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from monitoring.models import AlertRule, Channel, RuleStep
from portal.core import audit
from portal.core.actors import Actor
from portal.core.errors import Conflict, FieldProblem, InvalidInput
from portal.core.models import Alert
from portal.lib import clock

#: Longest of each time of a rule: a week. Ours; whoever means longer switches the rule off.
LONGEST_S = 604_800
TIMES = ("opens_after_s", "closes_after_s", "cooldown_s", "repeats_after_s", "group_wait_s")
ADD, CHANGE, DELETE = (f"monitoring.{verb}_alertrule" for verb in ("add", "change", "delete"))


@dataclass(frozen=True)
class Wanted:
    """What an administrator enters for a rule.

    Attributes
    ----------
    steps
        Channels by seconds after the first message; the step at 0 is whom it tells first.
    """

    name: str
    steps: Mapping[int, Sequence[Channel]]
    keys: str = ""
    least_severity: str = Alert.Severity.WARNING
    opens_after_s: int = 0
    closes_after_s: int = 60
    cooldown_s: int = 900
    repeats_after_s: int = 14_400
    group_by: str = AlertRule.GroupBy.KIND
    group_wait_s: int = 10
    quiet_from: time | None = None
    quiet_until: time | None = None
    quiet_passes: str = Alert.Severity.CRITICAL
    tells_resolved: bool = True
    tells_notices: bool = False
    is_enabled: bool = True

    def check(self) -> None:
        """Raise :class:`InvalidInput` for what no rule can be."""
        problems = [*self._of_times(), *self._of_steps()]
        if (self.quiet_from is None) != (self.quiet_until is None):
            message = _("Quiet hours need both their begin and their end, or neither.")
            problems.append(FieldProblem("quiet_until", "invalid", message))
        if not self.name.strip():
            problems.append(FieldProblem("name", "required", _("A rule needs a name.")))
        if problems:
            raise InvalidInput(problems[0].message, problems=problems)

    def _of_times(self) -> list[FieldProblem]:
        message = _("The time is %(seen)s s; it must be from 0 to %(most)s.")
        times = [(name, getattr(self, name)) for name in TIMES]
        times += [("steps", after_s) for after_s in self.steps]
        return [
            FieldProblem(name, "invalid", message % {"seen": value, "most": LONGEST_S})
            for name, value in times
            if not 0 <= value <= LONGEST_S
        ]

    def _of_steps(self) -> list[FieldProblem]:
        if self.steps.get(0):
            return []
        message = _("The rule tells nobody: choose at least one channel that it tells first.")
        return [FieldProblem("channels", "required", message)]

    def columns(self) -> dict[str, Any]:
        """Return the columns of the rule's own row."""
        return {name: value for name, value in vars(self).items() if name != "steps"} | {
            "name": self.name.strip()
        }


def create(*, wanted: Wanted, actor: Actor) -> AlertRule:
    """Make a rule; it holds for alerts that are open already as well.

    Raises
    ------
    Refused, InvalidInput, Conflict
        When the actor may not, a value makes no sense, or the name is taken.
    """
    target = f"rule {wanted.name}"
    with audit.refusals(actor, "alert_rule.create", target):
        actor.require(ADD)
        wanted.check()
        with transaction.atomic():
            rule = AlertRule()
            _write(rule, wanted, actor)
            audit.record(actor, "alert_rule.create", target, detail=seen(rule))
    return rule


def change(*, rule: AlertRule, wanted: Wanted, reason: str, actor: Actor) -> AlertRule:
    """Change a rule; what it has told already is not told again.

    Raises
    ------
    Refused, InvalidInput, Conflict
        As :func:`create`.
    """
    target = f"rule {rule.name}"
    with audit.refusals(actor, "alert_rule.change", target):
        actor.require(CHANGE)
        wanted.check()
        with transaction.atomic():
            row = AlertRule.objects.select_for_update().get(pk=rule.pk)
            before = seen(row)
            _write(row, wanted, actor)
            detail = {"before": before, "after": seen(row)}
            audit.record(actor, "alert_rule.change", target, reason=reason, detail=detail)
    return row


def delete(*, rule: AlertRule, reason: str, actor: Actor) -> None:
    """Remove a rule; alerts and what was sent stay.

    Raises
    ------
    Refused
        When the actor may not.
    """
    target = f"rule {rule.name}"
    with audit.refusals(actor, "alert_rule.delete", target):
        actor.require(DELETE)
        with transaction.atomic():
            detail = seen(rule)
            AlertRule.objects.filter(pk=rule.pk).delete()
            audit.record(actor, "alert_rule.delete", target, reason=reason, detail=detail)


def _write(rule: AlertRule, wanted: Wanted, actor: Actor) -> None:
    for name, value in wanted.columns().items():
        setattr(rule, name, value)
    rule.changed_by, rule.changed_at = actor.name, clock.now()
    try:
        with transaction.atomic():
            rule.save()
    except IntegrityError as exc:
        message = _("There is already a rule “%(name)s”: choose another name.")
        said = message % {"name": rule.name}
        problem = FieldProblem("name", "taken", said)
        raise Conflict(said, code="name_taken", problems=[problem]) from exc
    rule.steps.all().delete()
    for after_s, channels in sorted(wanted.steps.items()):
        if channels:
            RuleStep.objects.create(rule=rule, after_s=after_s).channels.set(channels)


def seen(rule: AlertRule) -> dict[str, Any]:
    """Return a rule as the audit log keeps it."""
    steps = {
        str(step.after_s): sorted(channel.name for channel in step.channels.all())
        for step in rule.steps.all()
    }
    columns = [item.name for item in rule._meta.fields if item.name not in NOT_SEEN]
    return {name: getattr(rule, name) for name in columns} | {"steps": steps}


NOT_SEEN = frozenset({"id", "changed_by", "changed_at"})
