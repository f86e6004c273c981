"""Schedules: what is seeded, and what an operator changes.

What the product seeds never overwrites what an operator changed. The beat settles what is due
(:mod:`portal.runs.services.settling`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from django.db import transaction
from django.utils.translation import gettext as _
from django_celery_beat.models import PeriodicTask

from portal.core import audit
from portal.core.actors import Actor
from portal.core.errors import Conflict, FieldProblem, InvalidInput, NotFound, PortalError
from portal.lib import clock
from portal.runs import kinds
from portal.runs.models import Run, Schedule
from portal.runs.services import settling, timings
from portal.runs.services.queueing import plain_parameters

TASK = "portal.runs.schedule"  # names the beat entries of schedules, which the beat settles itself
MOST_GRACE_S = 86_400
PERMISSION = "runs.change_schedule"

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Plan:
    """A schedule as the product seeds it.

    Attributes
    ----------
    name
        Unique; what operators see.
    kind
        The kind of run it starts.
    crontab
        Five fields: minute, hour, day of month, month, day of week.
    interval
        Instead of a crontab.
    grace_s
        How late a due time may start and still count as on time.
    """

    name: str
    kind: str
    crontab: str = ""
    interval: timedelta | None = None
    zone: str = ""
    parameters: Mapping[str, Any] | None = None
    missed_policy: str = Schedule.MissedPolicy.SKIP
    overlap_policy: str = Schedule.OverlapPolicy.SKIP
    overlap_key: str = ""
    grace_s: int = 300
    is_enabled: bool = True
    description: str = ""


_plans: dict[str, Plan] = {}


def declare(plan: Plan) -> Plan:
    """Register a schedule that the beat makes sure of at its start; for ``tasks`` modules."""
    _plans[plan.name] = plan
    return plan


def ensure_declared() -> None:
    """Make sure of every declared schedule; one that is broken does not hold up the others."""
    for plan in _plans.values():
        try:
            ensure(plan)
        except PortalError:
            log.exception("schedule_not_seeded", schedule=plan.name)


def ensure_schedule(**words: Any) -> Schedule:
    """Make sure of a schedule given by the fields of :class:`Plan`."""
    return ensure(Plan(**words))


def ensure(plan: Plan) -> Schedule:
    """Create a schedule, or bring it to what the product wants where no operator changed it.

    A value counts as changed when it differs from what was seeded last; whether the schedule is
    enabled is the operator's alone after its creation.

    Raises
    ------
    NotFound
        When the kind is unknown.
    InvalidInput
        When the crontab or interval makes no sense.
    """
    kinds.get(plan.kind)
    wanted = _seeded(plan)
    with transaction.atomic():
        schedule = Schedule.objects.select_for_update().filter(name=plan.name).first()
        if schedule is None:
            return _created(plan, wanted)
        _bring_up(schedule, wanted)
    return schedule


def _seeded(plan: Plan) -> dict[str, Any]:
    return {
        "kind": plan.kind,
        "parameters": dict(plan.parameters or {}),
        "missed_policy": str(plan.missed_policy),
        "overlap_policy": str(plan.overlap_policy),
        "overlap_key": plan.overlap_key,
        "grace_s": plan.grace_s,
        "timing": timings.text(
            crontab=plan.crontab,
            interval_s=plan.interval.total_seconds() if plan.interval is not None else None,
            zone=plan.zone,
        ),
    }


def _created(plan: Plan, wanted: dict[str, Any]) -> Schedule:
    entry = PeriodicTask(
        name=plan.name, task=TASK, enabled=plan.is_enabled, description=plan.description
    )
    timings.write(entry, wanted["timing"])
    entry.save()
    now = clock.now()
    values = {name: value for name, value in wanted.items() if name != "timing"}
    schedule = Schedule(
        name=plan.name,
        periodic_task=entry,
        anchor_at=now,
        checked_until=now,
        seeded=wanted,
        **values,
    )
    settling.refresh(schedule, now)
    schedule.save()
    return schedule


def _bring_up(schedule: Schedule, wanted: dict[str, Any]) -> None:
    changed = {
        name: value
        for name, value in wanted.items()
        if name != "timing"
        and schedule.seeded.get(name) == getattr(schedule, name)
        and value != schedule.seeded.get(name)
    }
    for name, value in changed.items():
        setattr(schedule, name, value)
    entry = schedule.periodic_task
    is_own_timing = schedule.seeded.get("timing") == timings.text_of(entry)
    if is_own_timing and wanted["timing"] != schedule.seeded["timing"]:
        timings.write(entry, wanted["timing"])
        entry.save()
    if wanted != schedule.seeded:
        schedule.seeded = wanted
        schedule.save(update_fields=[*changed, "seeded"])


def find(schedule_id: int | str) -> Schedule:
    """Return a schedule with its beat entry.

    Raises
    ------
    NotFound
        When there is none.
    """
    rows = Schedule.objects.select_related("periodic_task__crontab", "periodic_task__interval")
    schedule = rows.filter(pk=schedule_id).first()
    if schedule is None:
        raise NotFound(_("There is no schedule %(schedule)s.") % {"schedule": schedule_id})
    return schedule


def run_now(*, schedule_id: int | str, actor: Actor) -> Run:
    """Start what a schedule starts, outside its times.

    Raises
    ------
    Refused
        When the actor may not change schedules.
    Conflict
        When it is still busy and its policy is to skip then.
    """
    schedule = find(schedule_id)
    target = f"schedule {schedule.name}"
    with audit.refusals(actor, "schedule.run", target):
        actor.require(PERMISSION)
        if settling.is_busy(schedule):
            raise Conflict(
                _("The schedule “%(name)s” still has an active run; wait for it or cancel it.")
                % {"name": schedule.name},
                code="schedule_busy",
            )
        with transaction.atomic():
            run = settling.start_run(schedule, actor)
            audit.record(actor, "schedule.run", target, detail={"run": str(run.pk)})
    return run


@dataclass(frozen=True)
class Change:
    """What an operator changes of a schedule; None leaves a value as it is."""

    is_enabled: bool | None = None
    crontab: str | None = None
    zone: str | None = None
    interval_s: int | None = None
    parameters: Mapping[str, Any] | None = None
    missed_policy: str | None = None
    overlap_policy: str | None = None
    grace_s: int | None = None

    def columns(self) -> dict[str, Any]:
        """Return the changed columns of the schedule's own row."""
        names = ("parameters", "missed_policy", "overlap_policy", "grace_s")
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value is not None}

    def timing(self, before: str) -> str | None:
        """Return the changed definition as text, None when it stays.

        A crontab without a time zone keeps the one it had before.
        """
        if self.interval_s is not None or self.crontab is not None:
            crontab = self.crontab or ""
            zone = self.zone or (timings.zone_of(before) if crontab else "")
            return timings.text(crontab=crontab, interval_s=self.interval_s, zone=zone)
        return timings.rezoned(before, self.zone) if self.zone else None

    def check(self) -> None:
        """Raise :class:`InvalidInput` for values that no schedule can have."""
        if self.parameters is not None:
            if not isinstance(self.parameters, dict):
                raise _refused("parameters", _("The parameters must be an object of names."))
            plain_parameters(self.parameters)
        if self.grace_s is not None and not 0 <= self.grace_s <= MOST_GRACE_S:
            message = _("The grace is %(seen)s s; it must be from 0 to %(most)s.")
            raise _refused("grace_s", message % {"seen": self.grace_s, "most": MOST_GRACE_S})


def _refused(field: str, message: str) -> InvalidInput:
    return InvalidInput(message, problems=[FieldProblem(field, "invalid", message)])


def change(*, schedule_id: int | str, actor: Actor, change: Change) -> Schedule:
    """Change a schedule as an operator; what is changed here is never overwritten by the product.

    Raises
    ------
    Refused
        When the actor may not change schedules.
    InvalidInput
        When a crontab, an interval or another value makes no sense.
    """
    before = find(schedule_id)
    target = f"schedule {before.name}"
    with audit.refusals(actor, "schedule.change", target):
        actor.require(PERMISSION)
        change.check()
        timing = change.timing(timings.text_of(before.periodic_task))
        with transaction.atomic():
            schedule = Schedule.objects.select_for_update(of=("self",)).get(pk=schedule_id)
            _apply(schedule, change, timing)
            detail = {name: value for name, value in vars(change).items() if value is not None}
            audit.record(actor, "schedule.change", target, detail=detail)
    return find(schedule_id)


def _apply(schedule: Schedule, change: Change, timing: str | None) -> None:
    columns = change.columns()
    for name, value in columns.items():
        setattr(schedule, name, value)
    entry = schedule.periodic_task
    now = clock.now()
    if change.is_enabled is not None:
        if change.is_enabled and not entry.enabled:
            schedule.checked_until = now  # it owes nothing for the time it was off
        entry.enabled = change.is_enabled
    if timing is not None:
        timings.write(entry, timing)
        settling.refresh(schedule, now)
    entry.save()
    schedule.next_due_at = settling.next_due(schedule, now)
    schedule.save(
        update_fields=[*columns, "definition", "anchor_at", "checked_until", "next_due_at"]
    )
