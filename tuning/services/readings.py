"""Rates of the user's own running instance: checked, kept once each, rolled up by the hour."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from portal.lib import clock
from tuning.models import OptionReading, OptionWatch, ReadingHour
from tuning.services import asking, targets, watching

#: Ours: clocks differ by minutes at most, and what is a week late says nothing of today.
AHEAD, LATE = timedelta(minutes=5), timedelta(days=7)
KEPT = LATE + timedelta(days=1)
MOST = 1000


@dataclass(frozen=True)
class Taken:
    """What became of some readings.

    Attributes
    ----------
    n_new, n_known
        Those kept now, and those whose time was known already: the first of a time stands.
    watch
        The watch they were weighed for; None when nothing is watched.
    """

    n_new: int
    n_known: int
    watch: OptionWatch | None


def take(*, target: str, workload: str, readings: Sequence[Mapping[str, Any]]) -> Taken:
    """Keep the rates of a running instance and weigh them.

    Raises
    ------
    InvalidInput
        For a target or workload that does not exist, a time that is none, lies ahead or more than
        a week back, and a rate that is no number from 0 on.
    """
    known = targets.get(target)
    workload = asking.workload(known, workload)
    now = clock.now()
    rates: dict[datetime, float] = {}
    for number, one in enumerate(readings):
        at = _time(f"readings.{number}.at", one.get("at"), now)
        rates.setdefault(at, _rate(f"readings.{number}.rate", one.get("rate")))
    n_new = _keep(target, workload, rates)
    watch = watching.weigh(target, workload)
    return Taken(n_new, len(readings) - n_new, watch)


def remove_old() -> int:
    """Remove readings past their week, and hours past the portal's retention."""
    now = clock.now()
    removed, _kinds = OptionReading.objects.filter(at__lt=now - KEPT).delete()
    ReadingHour.objects.filter(hour__lt=now - settings.RETENTION).delete()
    return removed


def _time(field: str, seen: object, now: datetime) -> datetime:
    try:
        found = parse_datetime(str(seen))
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise asking.problem(
            field,
            "no_time",
            _("“%(seen)s” is no time with an offset: write it as 2026-01-31T08:00:00Z.")
            % {"seen": str(seen)[:60]},
        )
    try:
        is_ahead, is_late = found - now > AHEAD, now - found > LATE
    except OverflowError:
        is_ahead, is_late = False, True
    if is_ahead or is_late:
        raise asking.problem(
            field,
            "out_of_time",
            _(
                "%(seen)s lies outside what is taken: at most 5 minutes ahead of and 7 days before "
                "%(now)s. Check the clock and its offset, and leave out what is older."
            )
            % {"seen": str(seen)[:60], "now": now.isoformat(timespec="seconds")},
        )
    return found


def _rate(field: str, seen: object) -> float:
    is_number = isinstance(seen, int | float) and not isinstance(seen, bool)
    try:
        rate = float(seen) if is_number else math.nan  # type: ignore[arg-type]
    except OverflowError:
        rate = math.inf
    if not (0 <= rate <= 1e15):
        raise asking.problem(
            field,
            "no_rate",
            _("“%(seen)s” is no rate: send a number from 0 to 10¹⁵, in the unit of the metric.")
            % {"seen": str(seen)[:60]},
        )
    return rate


def _keep(target: str, workload: str, rates: Mapping[datetime, float]) -> int:
    with transaction.atomic():
        watching.hold("tuning.readings", f"{target}/{workload}")
        own = {"target": target, "workload": workload}
        there = set(OptionReading.objects.filter(**own, at__in=rates).values_list("at", flat=True))
        new = {at: rate for at, rate in rates.items() if at not in there}
        OptionReading.objects.bulk_create(
            OptionReading(**own, at=at, rate=rate) for at, rate in new.items()
        )
        by_hour: dict[datetime, list[float]] = {}
        for at, rate in new.items():
            by_hour.setdefault(at.replace(minute=0, second=0, microsecond=0), []).append(rate)
        for hour, some in by_hour.items():
            _roll_up(own, hour, some)
    return len(new)


def _roll_up(own: Mapping[str, str], hour: datetime, rates: Sequence[float]) -> None:
    row, _is_new = ReadingHour.objects.get_or_create(
        **own, hour=hour, defaults={"low": min(rates), "high": max(rates)}
    )
    row.n_readings += len(rates)
    row.total += sum(rates)
    row.low, row.high = min(row.low, *rates), max(row.high, *rates)
    row.save()
