"""How the admin writes numbers, times and states for people."""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _l
from django.utils.translation import ngettext

from portal.lib import clock

DASH = "\N{EN DASH}"
MINUTE_S = 60
HOUR_S = 3600
DAY_S = 86_400
STEPS = (("d", DAY_S), ("h", HOUR_S), ("min", MINUTE_S), ("s", 1))

#: How a state looks; states of runs, versions, requests, alerts and entries share one table.
TONES: Mapping[str, str] = {
    "queued": "",
    "running": "info",
    "succeeded": "ok",
    "failed": "bad",
    "errored": "bad",
    "cancelled": "warn",
    "ready": "ok",
    "quarantined": "bad",
    "removed": "",
    "passed": "ok",
    "inconclusive": "warn",
    "open": "info",
    "approved": "ok",
    "applied": "ok",
    "rejected": "bad",
    "withdrawn": "",
    "expired": "warn",
    "voided": "warn",
    "done": "ok",
    "refused": "bad",
    "critical": "bad",
    "warning": "warn",
    "info": "info",
    "started": "ok",
    "skipped_overlap": "warn",
    "missed": "bad",
    "defect": "bad",
    "ok": "ok",
    "high": "ok",
    "medium": "info",
    "low": "warn",
}


#: Ways in which something is done or asked for, by the names that rows carry.
VIAS: Mapping[str, Any] = {
    "person": _l("Person"),
    "key": _l("API key"),
    "schedule": _l("Schedule"),
    "drift": _l("Drift event"),
    "command": _l("Command line"),
    "system": _l("The portal itself"),
    "slack": _l("Slack"),
    "webhook": _l("Webhook"),
}


def via(value: str) -> str:
    """Return what people call a way of doing something."""
    return str(VIAS.get(value, value))


def badge(text: object, tone: str = "") -> SafeString:
    """Return a coloured label; ``tone`` is ok, info, warn, bad or nothing."""
    return format_html('<span class="mw-badge {}">{}</span>', f"mw-{tone}" if tone else "", text)


def state_badge(value: str, label: object) -> SafeString:
    """Return the label of a state in the colour that states of its kind have everywhere."""
    return badge(label, TONES.get(value, ""))


def number(value: object, digits: int = 3) -> str:
    """Return a number with grouping and so many significant digits after a leading zero."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return DASH if value is None else str(value)
    if isinstance(value, int):
        return number_format(value, force_grouping=True)
    if not math.isfinite(value):
        return DASH
    if value and abs(value) < 10**-digits:
        return f"{value:.{digits}g}"
    return fixed(value, digits if abs(value) < 100 else 1)


def fixed(value: object, places: int = 3) -> str:
    """Return a rounded number with grouping; ``number_format`` alone would cut it off."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return text(value)
    return number_format(f"{value:.{places}f}", force_grouping=True)


def share(value: object, digits: int = 1) -> str:
    """Return a fraction as a percentage."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return DASH
    return f"{fixed(value * 100, digits)} %"


def size(value: object) -> str:
    """Return a number of bytes in the unit a person would choose."""
    if not isinstance(value, int | float):
        return DASH
    amount, unit = float(value), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if abs(amount) < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{fixed(amount, 0 if unit == 'B' else 1)} {unit}"


def duration(seconds: object) -> str:
    """Return a length of time in its two largest units."""
    if not isinstance(seconds, int | float) or not math.isfinite(seconds):
        return DASH
    if seconds < 1:
        return _("%(n)s ms") % {"n": round(seconds * 1000)}
    if seconds < 10:
        return _("%(n)s s") % {"n": fixed(seconds, 1)}
    left, parts = round(seconds), []
    for unit, length in STEPS:
        n, left = divmod(left, length)
        if n:
            parts.append(_unit(unit, n))
    return " ".join(parts[:2])


def _unit(unit: str, n: int) -> str:
    words = {
        "d": ngettext("%(n)s day", "%(n)s days", n),
        "h": _("%(n)s h"),
        "min": _("%(n)s min"),
        "s": _("%(n)s s"),
    }
    return words[unit] % {"n": n}


def moment(at: datetime | None) -> str:
    """Return a point in time in the portal's zone, to the second."""
    return date_format(timezone.localtime(at), "Y-m-d H:i:s") if at else DASH


def ago(at: datetime | None) -> SafeString | str:
    """Return how long ago something was, with the exact time as a tooltip."""
    if at is None:
        return DASH
    text = _("just now")
    seconds = (clock.now() - at).total_seconds()
    if seconds >= MINUTE_S:
        text = _("%(time)s ago") % {"time": timesince(at, clock.now(), depth=1)}
    elif seconds < 0:
        text = moment(at)
    return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(), moment(at), text)


def short(digest: object) -> SafeString | str:
    """Return the first twelve places of a digest, the whole as a tooltip."""
    if not digest:
        return DASH
    text = str(digest)
    return format_html('<span class="mw-mono" title="{}">{}</span>', text, text[:12])


def bar(fraction: float | None, tone: str = "") -> SafeString:
    """Return a share drawn as a bar."""
    width = 100 * min(max(fraction or 0.0, 0.0), 1.0)
    return format_html(
        '<div class="mw-bar {}"><span style="width:{}%"></span></div>',
        f"mw-bar-{tone}" if tone else "",
        f"{width:.1f}",
    )


def clipped(text: object, longest: int = 90) -> str:
    """Return text short enough for a table cell."""
    words = str(text)
    return words if len(words) <= longest else f"{words[: longest - 1]}…"


def badges(pairs: Iterable[tuple[object, str]]) -> SafeString:
    """Return several labels side by side."""
    return format_html_join(" ", "{}", ((badge(text, tone),) for text, tone in pairs))


def text(value: object) -> str:
    """Return anything as text; nothing as a dash."""
    return DASH if value is None or value == "" else str(value)


def figure(value: object) -> str:
    """Return a measured value with four significant digits, without trailing zeros."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return text(value)
    if value == round(value) and abs(value) < 1e15:
        return number_format(round(value), force_grouping=True)
    places = max(0, 3 - math.floor(math.log10(abs(value))))
    shown = f"{round(value, places):.{places}f}"
    if places:
        shown = shown.rstrip("0").rstrip(".")  # idle behind the point only
    return number_format(shown, force_grouping=True)
