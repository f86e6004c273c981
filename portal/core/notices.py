"""Notices: what happened that somebody wants to know, without anything being wrong.

An alert asks for something to be done and stays open until it is; a notice tells: a retraining is
over, a promotion was asked for, a version went live. Each is one row, so nothing is lost while no
channel works; channels (mail, chat) register a notifier and hear of it once it is committed.
"""

from collections.abc import Callable
from functools import partial

import structlog
from django.db import IntegrityError, transaction

from portal.core.models import Alert, Notice

Notifier = Callable[[Notice], None]

log = structlog.get_logger(__name__)
_notifiers: dict[str, Notifier] = {}


def register(name: str, notifier: Notifier) -> None:
    """Have a channel told of every notice; apps call this from ``AppConfig.ready``.

    A notifier runs in the sender's process right after its transaction, so it only hands the notice
    on, such as to a run. What it raises is logged and hinders nobody.
    """
    _notifiers[name] = notifier


def forget(name: str) -> None:
    """Take a channel away."""
    _notifiers.pop(name, None)


def send(
    *,
    kind: str,
    subject: str,
    body: str = "",
    url: str = "",
    severity: str = Alert.Severity.INFO,
    key: str = "",
) -> Notice:
    """Keep a notice, in the caller's transaction, and tell the channels when it is committed.

    Parameters
    ----------
    kind
        What happened, ``<thing>.<verb in the past>``; subscribers choose by it.
    subject
        One sentence.
    body
        More, as plain text.
    url
        Where to look, from the portal's root.
    severity
        One of ``Alert.Severity``.
    key
        A notice of the same key is sent once, however often this is called.
    """
    notice = Notice(
        kind=kind[:60],
        subject=_plain(subject)[:300],
        body=_plain(body),
        url=url[:300],
        severity=Alert.Severity(severity).value,
        key=key[:200],
    )
    try:
        with transaction.atomic():
            notice.save(force_insert=True)
    except IntegrityError:
        return Notice.objects.get(key=notice.key)
    transaction.on_commit(partial(_tell, notice), robust=True)
    return notice


def _plain(text: str) -> str:
    return str(text).replace("\x00", "")


def _tell(notice: Notice) -> None:
    for name, notifier in list(_notifiers.items()):
        try:
            notifier(notice)
        except Exception:  # one channel that fails must not silence the others
            log.exception("notice_not_passed_on", notifier=name, notice=notice.pk)
