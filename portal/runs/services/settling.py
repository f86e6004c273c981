"""What becomes of the due times of schedules: each is settled once.

A slot row is unique, so a second beat finds a due time taken.
"""

from datetime import datetime, timedelta
from functools import partial

import structlog
from django.db import IntegrityError, transaction
from django.db.models import F
from django_celery_beat.models import PeriodicTask

from portal.core import alerts
from portal.core.actors import Actor
from portal.core.errors import NotFound, PortalError
from portal.core.models import Alert
from portal.lib import clock
from portal.runs import counts, duetimes, kinds
from portal.runs.models import Run, Schedule, ScheduleSlot
from portal.runs.services import timings
from portal.runs.services.queueing import enqueue

MOST_SLOTS = 100

log = structlog.get_logger(__name__)


def refresh(schedule: Schedule, now: datetime) -> None:
    """Note a definition and compute from it; nothing before this moment is due by it."""
    schedule.definition = timings.text_of(schedule.periodic_task)[:500]
    schedule.anchor_at = schedule.checked_until = now
    schedule.next_due_at = next_due(schedule, now)


def next_due(schedule: Schedule, now: datetime) -> datetime | None:
    """Return when a schedule is due next, None when it is not."""
    definition = timings.definition_of(schedule.periodic_task, schedule.anchor_at)
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
        except (PortalError, ValueError, OverflowError):
            log.exception("schedule_not_settled", schedule=schedule.name)
    return n_settled


def _needs_look(schedule: Schedule, now: datetime) -> bool:
    if schedule.definition != timings.text_of(schedule.periodic_task)[:500]:
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
        is_changed = schedule.definition != timings.text_of(schedule.periodic_task)[:500]
        is_settled = False
        if is_changed:
            refresh(schedule, now)
        elif schedule.periodic_task.enabled:
            is_settled = _settle_slots(schedule, now)
        _advance(schedule, now)
    return is_settled


def _advance(schedule: Schedule, now: datetime) -> None:
    schedule.checked_until = max(schedule.checked_until, now)
    schedule.next_due_at = next_due(schedule, now)
    schedule.save(update_fields=["checked_until", "next_due_at", "definition", "anchor_at"])


def _settle_slots(schedule: Schedule, now: datetime) -> bool:
    definition = timings.definition_of(schedule.periodic_task, schedule.anchor_at)
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
    if missed:
        transaction.on_commit(partial(counts.settled, ScheduleSlot.Outcome.MISSED, len(missed)))
    if starts:
        _start(schedule, due[-1])
    return True


def _start(schedule: Schedule, due_at: datetime) -> None:
    slot = ScheduleSlot(schedule=schedule, due_at=due_at, outcome=ScheduleSlot.Outcome.STARTED)
    if not _can_start(schedule):
        slot.outcome = ScheduleSlot.Outcome.MISSED
    elif is_busy(schedule):
        slot.outcome = ScheduleSlot.Outcome.SKIPPED_OVERLAP
    try:
        with transaction.atomic():
            slot.save(force_insert=True)
    except IntegrityError:
        return  # another beat settled it
    transaction.on_commit(partial(counts.settled, slot.outcome))
    if slot.outcome != ScheduleSlot.Outcome.STARTED:
        return
    slot.run = start_run(schedule, Actor.system(schedule.name, via=Run.Via.SCHEDULE))
    slot.save(update_fields=["run"])
    entries = PeriodicTask.objects.filter(pk=schedule.periodic_task_id)
    entries.update(last_run_at=due_at, total_run_count=F("total_run_count") + 1)
    if schedule.periodic_task.one_off:
        entries.update(enabled=False)


def _can_start(schedule: Schedule) -> bool:
    """Whether an installed app does this kind of work; an alert says so while none does."""
    key = f"schedule-broken:{schedule.name}"
    try:
        kinds.get(schedule.kind)
    except NotFound as exc:
        url = f"/admin/runs/schedule/{schedule.pk}/change/"
        alerts.raise_alert(key, Alert.Severity.WARNING, exc, url)
        return False
    alerts.resolve_alert(key)
    return True


def is_busy(schedule: Schedule) -> bool:
    """Whether a due time must be skipped because the run before is still active."""
    if schedule.overlap_policy == Schedule.OverlapPolicy.QUEUE:
        return False
    return Run.objects.active().filter(overlap_key=overlap_key_of(schedule)).exists()


def overlap_key_of(schedule: Schedule) -> str:
    """Return the key under which a schedule's runs never work at the same time."""
    return schedule.overlap_key or f"schedule:{schedule.name}"[:200]


def start_run(schedule: Schedule, actor: Actor) -> Run:
    """Queue what a schedule starts."""
    return enqueue(
        kind=schedule.kind,
        actor=actor,
        parameters=schedule.parameters,
        overlap_key=overlap_key_of(schedule),
        via_detail=schedule.name,
    )
