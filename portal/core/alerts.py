"""Alerts: what an operator must know, one open row per key however often it happens.

Whatever is wrong is told by :func:`raise_alert` and over by :func:`resolve_alert`; who is told of
it, when and how, is decided by monitoring's rules, which look at the open rows.
"""

import json
import uuid
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from portal.core import audit
from portal.core.actors import Actor
from portal.core.errors import Conflict
from portal.core.models import Alert
from portal.lib import clock

# The conflict target is the partial unique index of open alerts, which bulk_create cannot name.
UPSERT = """
INSERT INTO core_alert
    (id, key, severity, message, translations, url, n_times, first_at, last_at)
VALUES (
    %(id)s, %(key)s, %(severity)s, %(message)s, %(translations)s, %(url)s, 1, %(now)s, %(now)s
)
ON CONFLICT (key) WHERE resolved_at IS NULL DO UPDATE SET
    severity = excluded.severity, message = excluded.message,
    translations = excluded.translations, url = excluded.url,
    n_times = core_alert.n_times + 1, last_at = excluded.last_at
RETURNING id
"""


def raise_alert(
    key: str, severity: str, message: Callable[[], str] | object, url: str = ""
) -> Alert:
    """Open an alert, or count it once more on the open one and renew its severity and message.

    Parameters
    ----------
    key
        What is wrong, ``<area>.<thing>``; an open alert of the same key is counted once more.
    severity
        One of ``Alert.Severity``.
    message
        What was seen, the rule, the way out. A function, as ``lambda: _("…") % {…}``, or a lazy
        translation is written in every language of the portal; any other text only as it is.
    url
        Where to look, from the portal's root.
    """
    translations = _in_languages(message)
    said = translations.get(translation.get_language() or "") or _plain(message)
    row: dict[str, Any] = {
        "id": uuid.uuid4(),
        "key": key[:200],
        "severity": Alert.Severity(severity).value,
        "message": said,
        "translations": json.dumps(translations),
        "url": url[:300],
        "now": clock.now(),
    }
    with connection.cursor() as cursor:
        cursor.execute(UPSERT, row)
        (alert_id,) = cursor.fetchone()
    return Alert.objects.get(pk=alert_id)


def _in_languages(message: Callable[[], str] | object) -> dict[str, str]:
    if not callable(message) and not isinstance(message, Promise):
        return {}
    texts = {}
    for language, _name in settings.LANGUAGES:
        with translation.override(language):
            texts[language] = _plain(message)
    return texts


def _plain(message: Callable[[], str] | object) -> str:
    return str(message() if callable(message) else message).replace("\x00", "")


def resolve_alert(key: str) -> bool:
    """Close the open alert of a key; return whether there was one."""
    return bool(Alert.objects.open().filter(key=key).update(resolved_at=clock.now()))


def acknowledge(alert: Alert, actor: Actor) -> Alert:
    """Note that somebody has seen an alert and looks after it.

    Raises
    ------
    Refused
        When the actor may not change alerts.
    Conflict
        When the alert is acknowledged or resolved already.
    """
    actor.require("core.change_alert")
    waiting = Alert.objects.open().filter(pk=alert.pk, acknowledged_at__isnull=True)
    if not waiting.update(acknowledged_at=clock.now(), acknowledged_by_id=actor.user_id):
        raise Conflict(
            _("The alert “%(key)s” is already acknowledged or resolved; nothing is left to do.")
            % {"key": alert.key},
            code="alert_settled",
        )
    alert.refresh_from_db()
    return alert


def resolve(alert: Alert, actor: Actor, reason: str = "") -> Alert:
    """Close an alert because a person says that what it tells of is over.

    Many alerts tell of something that happened, such as a rollback, and would stay open for ever.
    If the cause is still there, the next occurrence opens a new one.

    Raises
    ------
    Refused
        When the actor may not change alerts.
    Conflict
        When the alert is resolved already.
    """
    actor.require("core.change_alert")
    with transaction.atomic():
        if not Alert.objects.open().filter(pk=alert.pk).update(resolved_at=clock.now()):
            raise Conflict(
                _("The alert “%(key)s” is already resolved; nothing is left to do.")
                % {"key": alert.key},
                code="alert_settled",
            )
        audit.record(actor, "alert.resolve", f"alert {alert.key}", reason=reason)
    alert.refresh_from_db()
    return alert
