"""Schedules: what is seeded, what is due, what an operator changes.

A due time is settled once: its slot row is unique, so a second beat finds it taken. What the
product seeds never overwrites what an operator changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils.translation import gettext as _
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from portal.core import alerts, audit
from portal.core.actors import Actor
from portal.core.errors import Conflict, InvalidInput, NotFound, PortalError
from portal.core.models import Alert
from portal.lib import clock
from portal.runs import duetimes, kinds
from portal.runs.duetimes import Crontab, Definition, Every, Once
from portal.runs.models import Run, Schedule, ScheduleSlot
from portal.runs.services.queueing import enqueue

TASK = "portal.runs.schedule"  # names the beat entries of schedules, which the beat settles itself
MOST_SLOTS = 100
CRON_FIELDS = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
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
        "timing": _timing_text(plan.crontab, plan.interval, plan.zone),
    }


def _timing_text(crontab: str, interval: timedelta | None, zone: str) -> str:
    """Return a definition as text: ``cron 30 3 * * * Asia/Seoul`` or ``every 60``."""
    if bool(crontab) == (interval is not None):
        raise InvalidInput(_("A schedule needs either a crontab or an interval, and not both."))
    if interval is not None:
        seconds = interval.total_seconds()
        if seconds < 1 or seconds != int(seconds):
            raise InvalidInput(
                _("The interval is %(seen)s s; it must be a whole number of seconds, at least 1.")
                % {"seen": seconds}
            )
        return f"every {int(seconds)}"
    text = f"cron {' '.join(crontab.split())} {zone or settings.TIME_ZONE}"
    _read_crontab(text)
    return text


def _read_crontab(text: str) -> Crontab:
    words = text.split()[1:]
    problem = _("The crontab “%(seen)s” is not five fields and a known time zone (%(reason)s).")
    if len(words) != len(CRON_FIELDS) + 1:
        raise InvalidInput(problem % {"seen": text, "reason": _("wrong number of fields")})
    try:
        definition = Crontab(*words)
    except (ValueError, KeyError, OSError) as exc:
        raise InvalidInput(problem % {"seen": text, "reason": exc}) from exc
    if definition.next_after(clock.now()) is None:
        raise InvalidInput(
            problem % {"seen": text, "reason": _("it is not due within eight years")}
        )
    return definition


def _created(plan: Plan, wanted: dict[str, Any]) -> Schedule:
    entry = PeriodicTask(
        name=plan.name, task=TASK, enabled=plan.is_enabled, description=plan.description
    )
    _set_timing(entry, wanted["timing"])
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
    _refresh(schedule, now)
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
    is_own_timing = schedule.seeded.get("timing") == timing_of(entry)
    if is_own_timing and wanted["timing"] != schedule.seeded["timing"]:
        _set_timing(entry, wanted["timing"])
        entry.save()
    if wanted != schedule.seeded:
        schedule.seeded = wanted
        schedule.save(update_fields=[*changed, "seeded"])


def _set_timing(entry: PeriodicTask, text: str) -> None:
    """Point a beat entry at a timing; its row is shared, so it is never changed in place."""
    kind, *words = text.split()
    entry.crontab = entry.interval = None
    if kind == "every":
        entry.interval, _new = IntervalSchedule.objects.get_or_create(
            every=int(words[0]), period=IntervalSchedule.SECONDS
        )
        return
    values = dict(zip(CRON_FIELDS, words, strict=False))
    entry.crontab, _new = CrontabSchedule.objects.get_or_create(
        **values, timezone=ZoneInfo(words[-1])
    )


def timing_of(entry: PeriodicTask) -> str:
    """Return when a beat entry is due, as text that changes when that does."""
    if entry.crontab is not None:
        fields = (str(getattr(entry.crontab, name)).replace(" ", "") for name in CRON_FIELDS)
        return f"cron {' '.join(fields)} {entry.crontab.timezone}"
    if entry.interval is not None:
        every = timedelta(**{entry.interval.period: entry.interval.every})
        return f"every {every.total_seconds():f}".rstrip("0").rstrip(".")
    if entry.clocked is not None:
        return f"once {entry.clocked.clocked_time.astimezone(UTC).isoformat()}"
    return "never"


def _definition(schedule: Schedule) -> Definition | None:
    """Return when a schedule is due; None for what this portal does not follow, as the sun."""
    kind, *words = timing_of(schedule.periodic_task).split()
    if kind == "cron":
        return Crontab(*words)
    if kind == "every":
        return Every(timedelta(seconds=float(words[0])), schedule.anchor_at)
    return Once(datetime.fromisoformat(words[0])) if kind == "once" else None


def _refresh(schedule: Schedule, now: datetime) -> None:
    """Note a definition and compute from it; nothing before this moment is due by it."""
    schedule.definition = timing_of(schedule.periodic_task)[:500]
    schedule.anchor_at = schedule.checked_until = now
    schedule.next_due_at = _next_due(schedule, now)


def _next_due(schedule: Schedule, now: datetime) -> datetime | None:
    definition = _definition(schedule)
    start = schedule.periodic_task.start_time
    moment = max(now, start - timedelta(microseconds=1)) if start else now
    due = definition.next_after(moment) if definition else None
    expires = schedule.periodic_task.expires
    return None if due is None or (expires and due >= expires) else due


def settle_due(now: datetime | None = None) -> int:
    """Settle every schedule that is due; return how many were.

    One schedule that cannot be settled is logged and does not hold up the others.
    """
    moment = now or clock.now()
    n_settled = 0
    schedules = Schedule.objects.select_related("periodic_task__crontab", "periodic_task__interval")
    for schedule in schedules.select_related("periodic_task__clocked"):
        if not _needs_look(schedule, moment):
            continue
        try:
            n_settled += settle(schedule.pk, moment)
        except (PortalError, ValueError):
            log.exception("schedule_not_settled", schedule=schedule.name)
    return n_settled


def _needs_look(schedule: Schedule, now: datetime) -> bool:
    if schedule.definition != timing_of(schedule.periodic_task)[:500]:
        return True
    return schedule.next_due_at is not None and schedule.next_due_at <= now


def settle(schedule_id: int, now: datetime) -> bool:
    """Settle the due times of one schedule up to now; False when there is nothing to do.

    The last due time starts a run when it is on time, or when the policy for missed times is
    “once”; all others up to now are missed. A schedule that is off, or whose definition changed,
    owes nothing.
    """
    with transaction.atomic():
        rows = Schedule.objects.select_for_update(of=("self",), skip_locked=True)
        schedule = rows.select_related("periodic_task").filter(pk=schedule_id).first()
        if schedule is None:
            return False
        is_changed = schedule.definition != timing_of(schedule.periodic_task)[:500]
        is_settled = False
        if is_changed:
            _refresh(schedule, now)
        elif schedule.periodic_task.enabled:
            is_settled = _settle_slots(schedule, now)
        _advance(schedule, now)
    return is_settled


def _advance(schedule: Schedule, now: datetime) -> None:
    schedule.checked_until = max(schedule.checked_until, now)
    schedule.next_due_at = _next_due(schedule, now)
    schedule.save(update_fields=["checked_until", "next_due_at", "definition", "anchor_at"])


def _settle_slots(schedule: Schedule, now: datetime) -> bool:
    definition = _definition(schedule)
    if definition is None:
        return False
    floor = max(schedule.checked_until, schedule.periodic_task.start_time or schedule.checked_until)
    due = duetimes.latest(definition, floor, now, MOST_SLOTS)
    if not due:
        return False
    is_late = (now - due[-1]).total_seconds() > schedule.grace_s
    starts = not is_late or schedule.missed_policy == Schedule.MissedPolicy.ONCE
    missed = due[:-1] if starts else due
    ScheduleSlot.objects.bulk_create(
        (
            ScheduleSlot(schedule=schedule, due_at=at, outcome=ScheduleSlot.Outcome.MISSED)
            for at in missed
        ),
        ignore_conflicts=True,
    )
    if starts:
        _start(schedule, due[-1])
    return True


def _start(schedule: Schedule, due_at: datetime) -> None:
    slot = ScheduleSlot(schedule=schedule, due_at=due_at, outcome=ScheduleSlot.Outcome.STARTED)
    if not _can_start(schedule):
        slot.outcome = ScheduleSlot.Outcome.MISSED
    elif _is_busy(schedule):
        slot.outcome = ScheduleSlot.Outcome.SKIPPED_OVERLAP
    try:
        with transaction.atomic():
            slot.save(force_insert=True)
    except IntegrityError:
        return  # another beat settled it
    if slot.outcome != ScheduleSlot.Outcome.STARTED:
        return
    slot.run = _enqueue(schedule, Actor.system(schedule.name, via=Run.Via.SCHEDULE))
    slot.save(update_fields=["run"])
    entries = PeriodicTask.objects.filter(pk=schedule.periodic_task_id)
    entries.update(last_run_at=due_at, total_run_count=F("total_run_count") + 1)
    if schedule.periodic_task.one_off:
        entries.update(enabled=False)


def _can_start(schedule: Schedule) -> bool:
    """Whether an installed app does this kind of work; an alert says so when none does."""
    try:
        kinds.get(schedule.kind)
    except NotFound as exc:
        url = f"/admin/runs/schedule/{schedule.pk}/change/"
        alerts.raise_alert(f"schedule-broken:{schedule.name}", Alert.Severity.WARNING, exc, url)
        return False
    return True


def _is_busy(schedule: Schedule) -> bool:
    if schedule.overlap_policy == Schedule.OverlapPolicy.QUEUE:
        return False
    return Run.objects.active().filter(overlap_key=overlap_key_of(schedule)).exists()


def overlap_key_of(schedule: Schedule) -> str:
    """Return the key under which a schedule's runs never work at the same time."""
    return schedule.overlap_key or f"schedule:{schedule.name}"[:200]


def _enqueue(schedule: Schedule, actor: Actor) -> Run:
    return enqueue(
        kind=schedule.kind,
        actor=actor,
        parameters=schedule.parameters,
        overlap_key=overlap_key_of(schedule),
        via_detail=schedule.name,
    )


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
        if _is_busy(schedule):
            raise Conflict(
                _("The schedule “%(name)s” still has an active run; wait for it or cancel it.")
                % {"name": schedule.name},
                code="schedule_busy",
            )
        with transaction.atomic():
            run = _enqueue(schedule, actor)
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

    def timing(self) -> str | None:
        """Return the changed definition as text, None when it stays."""
        if self.crontab is None and self.interval_s is None:
            return None
        interval = None if self.interval_s is None else timedelta(seconds=self.interval_s)
        return _timing_text(self.crontab or "", interval, self.zone or "")


def change(*, schedule_id: int | str, actor: Actor, change: Change) -> Schedule:
    """Change a schedule as an operator; what is changed here is never overwritten by the product.

    Raises
    ------
    Refused
        When the actor may not change schedules.
    InvalidInput
        When a crontab or interval makes no sense.
    """
    target = f"schedule {find(schedule_id).name}"
    with audit.refusals(actor, "schedule.change", target):
        actor.require(PERMISSION)
        timing = change.timing()
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
        _set_timing(entry, timing)
        _refresh(schedule, now)
    entry.save()
    schedule.next_due_at = _next_due(schedule, now)
    schedule.save(
        update_fields=[*columns, "definition", "anchor_at", "checked_until", "next_due_at"]
    )
