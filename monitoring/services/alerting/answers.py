"""What people and programs may do about an alert from outside, in the name of their account.

Nothing that puts a model live can be done from here: that takes signing in.
"""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from monitoring.models.alert_rules import gravity
from monitoring.services.alerting import silences, wording
from portal.core import alerts, formats
from portal.core.actors import Actor
from portal.core.errors import FieldProblem, InvalidInput, NotFound, Refused
from portal.core.models import Alert
from portal.lib import clock

ID_LENGTH = 8
MOST_LISTED = 10
DEFAULT_MINUTES = 60
MOST_MINUTES = int(silences.LONGEST.total_seconds() // 60)
VIEW = "core.view_alert"
#: What is asked for by any of these words takes signing in.
NEEDS_SIGN_IN = frozenset({"approve", "apply", "promote", "reject", "rollback"})


def perform(
    action: str, *, actor: Actor, alert_id: str = "", minutes: int | None = None, reason: str = ""
) -> str:
    """Do what is asked; return what to say.

    Raises
    ------
    Refused
        When the account may not, or it takes signing in.
    InvalidInput
        For an action there is not.
    NotFound, Conflict
        When there is no such open alert, or nothing is left to do.
    """
    if action in NEEDS_SIGN_IN:
        raise Refused(sign_in_first(), code="sign_in_needed")
    if action == "status":
        return status(actor)
    deed = DEEDS.get(action)
    if deed is None:
        message = _("There is no action “%(seen)s”; there are %(known)s.")
        said = message % {"seen": action[:40], "known": ", ".join([*DEEDS, "status"])}
        raise InvalidInput(said, problems=[FieldProblem("action", "invalid", said)])
    actor.require("core.change_alert")
    if minutes is not None and not 1 <= minutes <= MOST_MINUTES:
        message = _("%(seen)s minutes are too few or too many: give from 1 to %(most)s.")
        said = message % {"seen": str(minutes)[:40], "most": MOST_MINUTES}
        raise InvalidInput(said, problems=[FieldProblem("minutes", "invalid", said)])
    return deed(find(alert_id), actor, minutes or DEFAULT_MINUTES, reason)


def sign_in_first() -> str:
    """Say where promotions are decided."""
    link = wording.link("/admin/registry/promotionrequest/")
    return _("This is decided at the portal, signed in: %(url)s") % {"url": link}


def find(alert_id: str) -> Alert:
    """Return an open alert by its id, or by the beginning of it that lists show.

    Raises
    ------
    NotFound
        When there is none, or more than one.
    """
    text = alert_id.strip().lower()
    found: list[Alert] = []
    if ID_LENGTH <= len(text) <= 36:
        low, high = _span(text)
        if low is not None and high is not None:
            found = list(Alert.objects.open().filter(Q(pk__gte=low) & Q(pk__lte=high))[:2])
    if len(found) != 1:
        message = _("There is no open alert “%(seen)s”; “status” lists those there are.")
        raise NotFound(message % {"seen": alert_id[:40]}, code="no_such_alert")
    return found[0]


def _span(text: str) -> tuple[UUID | None, UUID | None]:
    digits = text.replace("-", "")
    try:
        return UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
    except ValueError:
        return None, None


def short(alert: Alert) -> str:
    """Return the beginning of an alert's id, as lists show it."""
    return str(alert.pk)[:ID_LENGTH]


def _acknowledge(alert: Alert, actor: Actor, _minutes: int, _reason: str) -> str:
    alerts.acknowledge(alert, actor)
    message = _("%(name)s looks after %(alert)s: %(message)s")
    return message % {"name": actor.name, "alert": short(alert), "message": _clipped(alert)}


def _silence(alert: Alert, actor: Actor, minutes: int, reason: str) -> str:
    ends_at = clock.now() + timedelta(minutes=minutes)
    why = reason or _("Silenced from %(via)s.") % {"via": formats.via(actor.via)}
    silences.create(keys=alert.key, ends_at=ends_at, reason=why, actor=actor)
    message = _("%(alert)s is silent until %(time)s: %(message)s")
    values = {"alert": short(alert), "time": formats.moment(ends_at), "message": _clipped(alert)}
    return message % values


def _resolve(alert: Alert, actor: Actor, _minutes: int, reason: str) -> str:
    alerts.resolve(alert, actor, reason)
    return _("%(alert)s is resolved: %(message)s") % {
        "alert": short(alert),
        "message": _clipped(alert),
    }


Deed = Callable[[Alert, Actor, int, str], str]
DEEDS: dict[str, Deed] = {
    "acknowledge": _acknowledge,
    "silence": _silence,
    "resolve": _resolve,
}


def status(actor: Actor) -> str:
    """Say what stands open, gravest first.

    Raises
    ------
    Refused
        When the account may not see alerts.
    """
    actor.require(VIEW)
    rows = sorted(
        Alert.objects.open(), key=lambda one: (-gravity(one.severity), -one.last_at.timestamp())
    )
    if not rows:
        return _("All is well: no alert is open.")
    head = ngettext("%(n)s alert is open.", "%(n)s alerts are open.", len(rows))
    lines = [head % {"n": formats.number(len(rows))}]
    for alert in rows[:MOST_LISTED]:
        seen = f", {_('acknowledged')}" if alert.acknowledged_at else ""
        grave = f"{alert.get_severity_display()}{seen}"
        lines.append(f"{short(alert)} [{grave}] {_clipped(alert)}")
    lines.append(wording.link("/admin/core/alert/"))
    return "\n".join(lines)


def _clipped(alert: Alert) -> str:
    return formats.clipped(alert.said, 160)
