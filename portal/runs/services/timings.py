"""When a schedule is due: as text, as a beat entry, and as a definition that yields due times.

The text is the definition's canonical form: ``cron 30 3 * * * Asia/Seoul``, ``every 60``,
``once 2026-01-31T12:00:00+00:00`` or ``never``.
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils.translation import gettext as _
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from portal.core.errors import FieldProblem, InvalidInput
from portal.lib import clock
from portal.runs.duetimes import Crontab, Definition, Every, Once

CRON_FIELDS = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
LONGEST_FIELDS = (240, 96, 124, 64, 64)  # of the beat's columns
SECONDS_OF = {"days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1, "microseconds": 1e-6}
MOST_INTERVAL_S = 10 * 366 * 86_400  # ours: ten years; a schedule due later is a mistake


def text(*, crontab: str = "", interval_s: float | None = None, zone: str = "") -> str:
    """Return a definition as text.

    Parameters
    ----------
    crontab
        Five fields: minute, hour, day of month, month, day of week.
    interval_s
        Whole seconds, instead of a crontab.
    zone
        IANA time zone of the crontab; without one, the portal's.

    Raises
    ------
    InvalidInput
        When the crontab or interval makes no sense.
    """
    if bool(crontab) == (interval_s is not None):
        raise InvalidInput(_("A schedule needs either a crontab or an interval, and not both."))
    if interval_s is None:
        written = f"cron {' '.join(crontab.split())} {zone or settings.TIME_ZONE}"
        _check_crontab(written)
        return written
    if zone:
        raise InvalidInput(_("An interval has no time zone: give a crontab, or leave it out."))
    if interval_s != int(interval_s) or not 1 <= interval_s <= MOST_INTERVAL_S:
        message = _("The interval is %(seen)s s; it must be a whole number from 1 to %(most)s.")
        raise _refused("interval_s", message % {"seen": interval_s, "most": MOST_INTERVAL_S})
    return f"every {int(interval_s)}"


def rezoned(written: str, zone: str) -> str:
    """Return a crontab's text in another time zone.

    Raises
    ------
    InvalidInput
        When the definition is no crontab, or the zone is unknown.
    """
    kind, *words = written.split()
    if kind != "cron":
        raise _refused("zone", _("Only a crontab has a time zone, and this schedule has none."))
    return text(crontab=" ".join(words[:-1]), zone=zone)


def zone_of(written: str) -> str:
    """Return the time zone of a crontab's text; empty for anything else."""
    kind, *words = written.split()
    return words[-1] if kind == "cron" else ""


def _check_crontab(written: str) -> None:
    _kind, *words = written.split()
    seen = " ".join(words)
    if len(words) != len(CRON_FIELDS) + 1 or not seen.isascii():
        raise _senseless(seen, _("it takes five fields of plain characters"))
    for word, longest in zip(words, LONGEST_FIELDS, strict=False):
        if len(word) > longest:
            raise _senseless(seen, _("a field is longer than %(n)d characters") % {"n": longest})
    try:
        ZoneInfo(words[-1])
    except (ValueError, KeyError, OSError) as exc:
        # Not the exception's own words: they name folders of this machine.
        reason = _("there is no time zone “%(zone)s”") % {"zone": words[-1]}
        raise _senseless(seen, reason) from exc
    try:
        definition = Crontab(*words)
    except ValueError as exc:
        raise _senseless(seen, str(exc)) from exc
    if definition.next_after(clock.now()) is None:
        raise _senseless(seen, _("it is not due within eight years"))


def _senseless(seen: str, reason: str) -> InvalidInput:
    message = _("The crontab “%(seen)s” is not five fields and a known time zone (%(reason)s).")
    return _refused("crontab", message % {"seen": seen[:200], "reason": reason})


def _refused(field: str, message: str) -> InvalidInput:
    return InvalidInput(message, problems=[FieldProblem(field, "invalid", message)])


def write(entry: PeriodicTask, written: str) -> None:
    """Point a beat entry at a timing; its row is shared, so it is never changed in place."""
    kind, *words = written.split()
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


def text_of(entry: PeriodicTask) -> str:
    """Return when a beat entry is due, as text that changes when that does."""
    if entry.crontab is not None:
        fields = (str(getattr(entry.crontab, name)).replace(" ", "") for name in CRON_FIELDS)
        return f"cron {' '.join(fields)} {entry.crontab.timezone}"
    if entry.interval is not None:
        # Not as a timedelta: the beat's own tables hold intervals that no timedelta can.
        seconds = entry.interval.every * SECONDS_OF[entry.interval.period]
        return f"every {seconds:f}".rstrip("0").rstrip(".")
    if entry.clocked is not None:
        return f"once {entry.clocked.clocked_time.astimezone(UTC).isoformat()}"
    return "never"


def definition_of(entry: PeriodicTask, anchor: datetime) -> Definition | None:
    """Return when a beat entry is due; None for what this portal does not follow, as the sun.

    Raises
    ------
    ValueError, OverflowError
        When the beat's own tables hold what is no definition.
    """
    kind, *words = text_of(entry).split()
    if kind == "cron":
        return Crontab(*words)
    if kind == "every":
        return Every(timedelta(seconds=float(words[0])), anchor)
    return Once(datetime.fromisoformat(words[0])) if kind == "once" else None
