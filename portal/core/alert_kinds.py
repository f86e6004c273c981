"""What alerts are about, by the beginnings of their keys, and what is to be done about each.

Apps declare theirs from ``AppConfig.ready``. A message to somebody who is not at the portal carries
the title and the advice.
"""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text = str | Promise


@dataclass(frozen=True)
class AlertKind:
    """One kind of alert.

    Attributes
    ----------
    prefix
        With what its keys begin.
    title
        What it is about, in a few words.
    advice
        What to do about it, in whole sentences.
    """

    prefix: str
    title: Text
    advice: Text


OTHER = AlertKind(
    "", _("Portal"), _("Open the link, look for the cause, and mark the alert as resolved then.")
)
_kinds: dict[str, AlertKind] = {}


def declare(prefix: str, title: Text, advice: Text) -> None:
    """Register a kind of alert."""
    _kinds[prefix] = AlertKind(prefix, title, advice)


def of(key: str) -> AlertKind:
    """Return the kind of an alert: that with the longest prefix of its key."""
    fitting = (kind for prefix, kind in _kinds.items() if key.startswith(prefix))
    return max(fitting, key=lambda kind: len(kind.prefix), default=OTHER)
