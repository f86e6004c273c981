"""A week of schedules: what will start, what started, what was missed, day by day."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import islice

from django.db.models import Count, Max, Min, Q
from django.db.models.functions import TruncDate
from django.utils import timezone

from portal.runs.models import Schedule, ScheduleSlot, State
from portal.runs.services import timings

DAYS = 7
#: Due times of one schedule that are counted on one day; every minute is 1,440. Ours.
MOST_A_DAY = 1_500
Outcome = ScheduleSlot.Outcome


@dataclass(frozen=True)
class Entry:
    """One schedule on one day.

    Attributes
    ----------
    schedule : Schedule
    first_at, last_at : datetime
        Of its due times on that day.
    n_coming, n_started, n_failed, n_missed, n_skipped : int
        Due times still to come, and what became of the others; failed ones started.
    """

    schedule: Schedule
    first_at: datetime
    last_at: datetime
    n_coming: int = 0
    n_started: int = 0
    n_failed: int = 0
    n_missed: int = 0
    n_skipped: int = 0

    @property
    def is_ill(self) -> bool:
        """Whether something was missed or failed."""
        return bool(self.n_missed or self.n_failed)


@dataclass(frozen=True)
class Day:
    """One day and what is due on it, in order of time."""

    date: date
    is_today: bool
    entries: list[Entry]


def monday_of(day: date) -> date:
    """Return the first day of a week."""
    return day - timedelta(days=day.weekday())


def week(start: date, now: datetime) -> list[Day]:
    """Return seven days in the portal's zone.

    Parameters
    ----------
    start
        The first day.
    now
        Due times after it are still to come.
    """
    past = _past(start, now)
    schedules = list(
        Schedule.objects.select_related(
            "periodic_task__crontab", "periodic_task__interval", "periodic_task__clocked"
        )
    )
    today = timezone.localdate(now)
    days = []
    for offset in range(DAYS):
        day = start + timedelta(days=offset)
        entries = [
            entry
            for schedule in schedules
            if (
                entry := _entry(schedule, past.get((schedule.pk, day)), _coming(schedule, day, now))
            )
        ]
        entries.sort(key=lambda entry: (entry.first_at, entry.schedule.name))
        days.append(Day(day, day == today, entries))
    return days


def _entry(schedule: Schedule, was: Entry | None, coming: list[datetime]) -> Entry | None:
    if was is None and not coming:
        return None
    if was is None:
        return Entry(schedule, min(coming), max(coming), n_coming=len(coming))
    return Entry(
        schedule,
        was.first_at,
        max([was.last_at, *coming]),
        n_coming=len(coming),
        n_started=was.n_started,
        n_failed=was.n_failed,
        n_missed=was.n_missed,
        n_skipped=was.n_skipped,
    )


def _past(start: date, now: datetime) -> dict[tuple[int, date], Entry]:
    """Return what became of due times, by schedule and day."""
    begin, end = _midnight(start), _midnight(start + timedelta(days=DAYS))
    ill = Q(run__state__in=(State.FAILED, State.ERRORED))
    rows = (
        ScheduleSlot.objects.filter(due_at__gte=begin, due_at__lt=min(end, max(now, begin)))
        .order_by()
        .annotate(day=TruncDate("due_at"))
        .values("schedule", "day")
        .annotate(
            first=Min("due_at"),
            last=Max("due_at"),
            n_started=Count("pk", filter=Q(outcome=Outcome.STARTED) & ~ill),
            n_failed=Count("pk", filter=Q(outcome=Outcome.STARTED) & ill),
            n_missed=Count("pk", filter=Q(outcome=Outcome.MISSED)),
            n_skipped=Count("pk", filter=Q(outcome=Outcome.SKIPPED_OVERLAP)),
        )
    )
    known = Schedule.objects.in_bulk({row["schedule"] for row in rows})
    return {
        (row["schedule"], row["day"]): Entry(
            known[row["schedule"]],
            row["first"],
            row["last"],
            n_started=row["n_started"],
            n_failed=row["n_failed"],
            n_missed=row["n_missed"],
            n_skipped=row["n_skipped"],
        )
        for row in rows
        if row["schedule"] in known
    }


def _coming(schedule: Schedule, day: date, now: datetime) -> list[datetime]:
    """Return the due times of a day that are still to come; none of a schedule that is off."""
    until = _midnight(day + timedelta(days=1)) - timedelta(microseconds=1)
    if not schedule.periodic_task.enabled or until <= now:
        return []
    after = max(_midnight(day) - timedelta(microseconds=1), now)
    try:
        definition = timings.definition_of(schedule.periodic_task, schedule.anchor_at)
        return list(islice(definition.descending(until, after), MOST_A_DAY)) if definition else []
    except (ValueError, OverflowError):  # written into the beat's own tables by hand
        return []


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
