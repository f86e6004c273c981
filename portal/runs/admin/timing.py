"""When a schedule is due, in words."""

from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext as _

from portal.core import formats
from portal.runs.models import Schedule
from portal.runs.services import timings

SUNDAYS = 7


def words(schedule: Schedule) -> str:
    """Return when a schedule is due: in words where it is simple, else as its five fields."""
    kind, *given = timings.text_of(schedule.periodic_task).split()
    if kind == "cron":
        return of_crontab(given[:5]) or f"{' '.join(given[:5])} ({given[-1]})"
    if kind == "every":
        return _("every %(time)s") % {"time": formats.duration(float(given[0]))}
    return given[0] if given else formats.DASH


def spelt(schedule: Schedule) -> str:
    """Return a crontab as it is written, with its time zone; nothing for any other timing."""
    kind, *given = timings.text_of(schedule.periodic_task).split()
    return f"{' '.join(given[:5])} ({given[-1]})" if kind == "cron" else ""


def of_crontab(fields: list[str]) -> str:
    """Return a crontab in words; nothing when it is none of the simple ones.

    Parameters
    ----------
    fields
        Minute, hour, day of the month, month, day of the week.
    """
    minute, hour, day, month, weekday = fields
    if month != "*":
        return ""
    if (hour, day, weekday) == ("*", "*", "*"):
        return _within_the_hour(minute)
    if not (minute.isdecimal() and hour.isdecimal()):
        return ""
    time = f"{int(hour):02}:{int(minute):02}"
    if (day, weekday) == ("*", "*"):
        return _("daily at %(time)s") % {"time": time}
    if day == "*" and weekday.isdecimal() and int(weekday) <= SUNDAYS:
        # Crontabs begin the week with Sunday as 0 (and 7), Python with Monday.
        name = WEEKDAYS[(int(weekday) - 1) % 7]
        return _("%(day)s at %(time)s") % {"day": name, "time": time}
    if weekday == "*" and day.isdecimal():
        return _("day %(day)s of each month at %(time)s") % {"day": day, "time": time}
    return ""


def _within_the_hour(minute: str) -> str:
    if minute.isdecimal():
        return _("hourly at minute %(minute)s") % {"minute": minute}
    step = minute.removeprefix("*/")
    if step != minute and step.isdecimal():
        return _("every %(time)s") % {"time": formats.duration(60.0 * int(step))}
    return _("every minute") if minute == "*" else ""
