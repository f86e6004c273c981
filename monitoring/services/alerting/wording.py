"""What messages say: what is wrong, since when, how bad, what to do, and where to look."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils import timezone, translation
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from monitoring.models import Delivery
from monitoring.models.alert_rules import gravity
from portal.core import alert_kinds, formats
from portal.core.models import Alert, Notice

#: More alerts than this are counted in a message, not listed; ours, a screenful.
MOST_LISTED = 10
LONGEST_MESSAGE = 1_000
LONGEST_SUBJECT = 160
Event = Delivery.Event


@dataclass(frozen=True)
class Written:
    """A message in one language."""

    severity: str
    subject: str
    content: dict[str, Any]


def of_alerts(event: str, alerts: Sequence[Alert], language: str, now: datetime) -> Written:
    """Write what is to be told of some alerts.

    Parameters
    ----------
    event
        One of ``Delivery.Event``: why they are told of.
    alerts
        At least one; the gravest and oldest are listed.
    """
    ordered = sorted(alerts, key=lambda one: (-gravity(one.severity), one.first_at))
    severity = ordered[0].severity
    with translation.override(language):
        listed = [_told(one, now) for one in ordered[:MOST_LISTED]]
        subject = _subject(event, ordered)
        return Written(
            severity,
            subject,
            {
                "event": event,
                "language": language,
                "severity": severity,
                "how_bad": str(Alert.Severity(severity).label),
                "subject": subject,
                "text": _text(event, listed, len(ordered)),
                "n_alerts": len(ordered),
                "alerts": listed,
                "url": link("/admin/core/alert/") if len(ordered) > 1 else listed[0]["url"],
            },
        )


def of_notice(notice: Notice, language: str) -> Written:
    """Write a notice as a message."""
    with translation.override(language):
        return _plain(Event.NOTICE, notice.severity, notice.subject, notice.body, notice.url)


def of_test(channel_name: str, language: str) -> Written:
    """Write the message that shows that a channel works."""
    with translation.override(language):
        subject = _("Test of the channel “%(name)s”") % {"name": channel_name}
        body = _("If you read this, alerts of the portal reach you here. Nothing has to be done.")
        return _plain(Event.TEST, Alert.Severity.INFO, subject, body, "/admin/core/alert/")


def _plain(event: str, severity: str, subject: str, body: str, url: str) -> Written:
    content = {
        "event": str(event),
        "language": translation.get_language(),
        "severity": str(severity),
        "how_bad": str(Alert.Severity(severity).label),
        "subject": subject[:LONGEST_SUBJECT],
        "text": "\n".join(part for part in (body, _linked(url)) if part),
        "n_alerts": 0,
        "alerts": [],
        "url": link(url),
    }
    return Written(str(severity), subject[:LONGEST_SUBJECT], content)


def link(url: str) -> str:
    """Return an address that can be opened from outside the portal."""
    return f"{settings.PUBLIC_URL}{url}" if url.startswith("/") else url


def _linked(url: str) -> str:
    return _("Open: %(url)s") % {"url": link(url)} if url else ""


def _told(alert: Alert, now: datetime) -> dict[str, Any]:
    """Return what is told of one alert, in the language of the moment."""
    kind = alert_kinds.of(alert.key)
    until = alert.resolved_at or now
    return {
        "id": str(alert.pk),
        "key": alert.key,
        "about": str(kind.title),
        "severity": alert.severity,
        "how_bad": str(alert.get_severity_display()),
        "message": formats.clipped(alert.said, LONGEST_MESSAGE),
        "since": alert.first_at.isoformat(),
        "since_text": date_format(timezone.localtime(alert.first_at), "Y-m-d H:i T"),
        "for_text": formats.duration(max(1.0, (until - alert.first_at).total_seconds())),
        "resolved": alert.resolved_at.isoformat() if alert.resolved_at else None,
        "n_times": alert.n_times,
        "what_to_do": str(kind.advice),
        "url": link(f"/admin/core/alert/{alert.pk}/change/"),
        "about_url": link(alert.url) if alert.url else "",
    }


def _subject(event: str, alerts: Sequence[Alert]) -> str:
    first = alerts[0]
    about = {str(alert_kinds.of(one.key).title) for one in alerts}
    title = about.pop() if len(about) == 1 else _("several parts")
    if len(alerts) == 1:
        what = f"{title}: {first.said}"
    else:
        words = ngettext("%(n)s alert: %(about)s", "%(n)s alerts: %(about)s", len(alerts))
        what = words % {"n": formats.number(len(alerts)), "about": title}
    mark = _marks(event) or str(first.get_severity_display())
    return formats.clipped(" ".join(f"[{mark}] {what}".split()), LONGEST_SUBJECT)


def _marks(event: str) -> str:
    return {
        Event.RESOLVED: _("Over"),
        Event.REMINDER: _("Still open"),
        Event.ESCALATED: _("Nobody looks after it"),
    }.get(Event(event), "")


def _text(event: str, listed: Sequence[dict[str, Any]], n_alerts: int) -> str:
    parts = [_paragraph(event, one) for one in listed]
    if n_alerts > len(listed):
        more = _("… and %(n)s more: %(url)s")
        n_more = formats.number(n_alerts - len(listed))
        parts.append(more % {"n": n_more, "url": link("/admin/core/alert/")})
    return "\n\n".join(parts)


def _paragraph(event: str, one: dict[str, Any]) -> str:
    lines = [
        f"{one['about']}: {one['message']}",
        _("Since: %(since)s (%(time)s)") % {"since": one["since_text"], "time": one["for_text"]},
    ]
    if event == Event.RESOLVED:
        return "\n".join([*lines, _linked(one["url"])])
    lines += [
        _("How bad: %(severity)s") % {"severity": one["how_bad"]},
        _("What to do: %(advice)s") % {"advice": one["what_to_do"]},
        _linked(one["url"]),
    ]
    return "\n".join(lines)
