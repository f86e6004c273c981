"""When a schedule is due: crontab fields in a time zone, or a fixed interval from an anchor.

Pure functions of the definition and two moments, so every beat computes the same due times.

Where clocks change: a time that the clock skips is due once, moved by the skip; a time that comes
twice is due once, at its first coming, unless the definition covers every hour, which then is due
at both.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from celery.schedules import ParseException, crontab

HOURS_A_DAY = 24
FARTHEST_DAYS = 366 * 8 + 1  # a 29th of February, across a century without a leap year
ONE_DAY = timedelta(days=1)


class Definition(Protocol):
    """What says when something is due."""

    def descending(self, until: datetime, after: datetime) -> Iterator[datetime]:
        """Yield the due times in (after, until], the last one first, in UTC."""

    def next_after(self, moment: datetime) -> datetime | None:
        """Return the first due time after a moment, None when there is none in sight."""


@dataclass(frozen=True)
class Every:
    """A fixed interval.

    Attributes
    ----------
    interval
        Longer than nothing.
    anchor
        What the intervals are counted from; not itself a due time.
    """

    interval: timedelta
    anchor: datetime

    def __post_init__(self) -> None:
        if self.interval <= timedelta(0):
            raise ValueError(f"interval={self.interval} must be longer than nothing.")

    def descending(self, until: datetime, after: datetime) -> Iterator[datetime]:
        """Yield the due times in (after, until], the last one first."""
        due = self.anchor + (until - self.anchor) // self.interval * self.interval
        while due > max(after, self.anchor):
            yield due
            due -= self.interval

    def next_after(self, moment: datetime) -> datetime | None:
        """Return the first due time after a moment."""
        n_past = max((moment - self.anchor) // self.interval, 0)
        return self.anchor + (n_past + 1) * self.interval


@dataclass(frozen=True)
class Crontab:
    """Crontab fields in a time zone; a day must match all of its three fields.

    Attributes
    ----------
    minute, hour, day_of_month, month_of_year, day_of_week
        As in crontab(5), Sunday being 0 or “sun”.
    zone
        An IANA time zone.
    """

    minute: str
    hour: str
    day_of_month: str
    month_of_year: str
    day_of_week: str
    zone: str
    _parsed: tuple[Any, ZoneInfo] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        words = self.minute, self.hour, self.day_of_week, self.day_of_month, self.month_of_year
        try:
            # Untyped: the parsed fields are sets of numbers made at run time.
            fields: Any = crontab(*words)
        except ParseException as exc:
            raise ValueError(str(exc)) from exc
        object.__setattr__(self, "_parsed", (fields, ZoneInfo(self.zone)))

    @property
    def _fields(self) -> Any:
        return self._parsed[0]

    @property
    def _tz(self) -> ZoneInfo:
        return self._parsed[1]

    def descending(self, until: datetime, after: datetime) -> Iterator[datetime]:
        """Yield the due times in (after, until], the last one first."""
        day = self._local_date(until) + ONE_DAY
        first = self._local_date(after) - ONE_DAY
        while day >= first:
            yield from (due for due in reversed(self._of_day(day)) if after < due <= until)
            day -= ONE_DAY

    def next_after(self, moment: datetime) -> datetime | None:
        """Return the first due time after a moment, looking eight years ahead."""
        day = self._local_date(moment) - ONE_DAY
        for _ in range(FARTHEST_DAYS):
            due = next((due for due in self._of_day(day) if due > moment), None)
            if due is not None:
                return due
            day += ONE_DAY
        return None

    def _local_date(self, moment: datetime) -> date:
        return moment.astimezone(self._tz).date()

    def _of_day(self, day: date) -> list[datetime]:
        """Return the due times of one local day, in UTC and in order."""
        fields = self._fields
        matches = (
            day.month in fields.month_of_year
            and day.day in fields.day_of_month
            and day.isoweekday() % 7 in fields.day_of_week
        )
        if not matches:
            return []
        folds = (0, 1) if len(fields.hour) == HOURS_A_DAY else (0,)
        return sorted(
            {
                self._instant(day, hour, minute, fold)
                for hour in fields.hour
                for minute in fields.minute
                for fold in folds
            }
        )

    def _instant(self, day: date, hour: int, minute: int, fold: int) -> datetime:
        wall = datetime.combine(day, time(hour, minute), tzinfo=self._tz)
        return wall.replace(fold=fold).astimezone(UTC)


@dataclass(frozen=True)
class Once:
    """One moment."""

    at: datetime

    def descending(self, until: datetime, after: datetime) -> Iterator[datetime]:
        """Yield the moment if it lies in (after, until]."""
        if after < self.at <= until:
            yield self.at

    def next_after(self, moment: datetime) -> datetime | None:
        """Return the moment if it is still to come."""
        return self.at if self.at > moment else None


def latest(definition: Definition, after: datetime, until: datetime, most: int) -> list[datetime]:
    """Return the last due times in (after, until], at most so many, the earliest first."""
    return list(islice(definition.descending(until, after), most))[::-1]
