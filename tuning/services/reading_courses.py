"""Reads of the rates of a running instance, one by one or by the hour."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from portal.lib import clock
from tuning.models import OptionReading, OptionWatch, ReadingHour
from tuning.services import asking, readings, targets

RESOLUTIONS = ("reading", "hour")
#: Longer than this, hours are given; ours.
SHOWN_READINGS = timedelta(hours=48)
SPAN = timedelta(hours=24)
MOST_POINTS = 20_000


@dataclass(frozen=True)
class ReadingCourse:
    """Rates over a range of time, the earliest first.

    Attributes
    ----------
    points : sequence of mappings
        ``at`` and ``rate``; of hours the mean, with ``n``, ``low`` and ``high``.
    is_cut : bool
        Whether the range held more than are given; the earliest are.
    """

    workload: str
    resolution: str
    points: Sequence[dict[str, Any]]
    is_cut: bool = False


def course(
    *,
    target: str,
    workload: str,
    since: datetime | None = None,
    until: datetime | None = None,
    resolution: str = "",
) -> ReadingCourse:
    """Return the readings of a target under a workload; by default of the last 24 hours.

    Raises
    ------
    InvalidInput
        For a target or workload that does not exist, and a range that ends before it begins.
    """
    workload = asking.workload(targets.get(target), workload)
    until = until or clock.now() + readings.AHEAD
    since = since or asking.before(until, SPAN)
    if since >= until:
        raise asking.problem(
            "since",
            "empty_range",
            _("The range ends at %(until)s, before it begins at %(since)s: turn it round.")
            % {"since": since.isoformat(), "until": until.isoformat()},
        )
    own = {"target": target, "workload": workload}
    resolution = resolution or _fitting(since, until)
    points = _hours(own, since, until) if resolution == "hour" else _readings(own, since, until)
    return ReadingCourse(workload, resolution, points[:MOST_POINTS], len(points) > MOST_POINTS)


def of_watch(watch: OptionWatch) -> ReadingCourse:
    """Return the readings before and during a watch, as long as they are kept."""
    window = timedelta(seconds=watch.window_s)
    own = {"target": watch.target, "workload": watch.workload}
    since, until = watch.began_at - window, watch.ended_at or watch.ends_at
    is_kept = clock.now() - since < readings.KEPT
    if is_kept and until - since <= SHOWN_READINGS:
        return ReadingCourse(watch.workload, "reading", _readings(own, since, until))
    return ReadingCourse(watch.workload, "hour", _hours(own, since, until))


def _fitting(since: datetime, until: datetime) -> str:
    is_kept = clock.now() - since < readings.KEPT
    return "reading" if is_kept and until - since <= SHOWN_READINGS else "hour"


def _readings(own: dict[str, str], since: datetime, until: datetime) -> list[dict[str, Any]]:
    found = OptionReading.objects.filter(**own, at__gte=since, at__lte=until).order_by("at")
    return [dict(row) for row in found.values("at", "rate")[: MOST_POINTS + 1]]


def _hours(own: dict[str, str], since: datetime, until: datetime) -> list[dict[str, Any]]:
    found = ReadingHour.objects.filter(**own, hour__gte=since, hour__lte=until).order_by("hour")
    return [
        {"at": one.hour, "rate": one.mean, "n": one.n_readings, "low": one.low, "high": one.high}
        for one in found[: MOST_POINTS + 1]
    ]
