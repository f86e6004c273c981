"""Alerts about live indexes that a process cannot open."""

import logging
from collections.abc import Callable

from django.db import Error as DatabaseError
from django.utils.translation import gettext as _

from portal.core import alerts

logger = logging.getLogger(__name__)


def failed(name: str, reason: Exception) -> None:
    """Tell that the index of a collection is damaged, or of another release."""
    words = {"name": name, "reason": reason}

    def message() -> str:
        return (
            _(
                "The live index of the collection “%(name)s” cannot be opened: %(reason)s Restore "
                "its files, roll back, or build it again."
            )
            % words
        )

    _tell(name, "critical", message)


def put_off(name: str, waited_s: float, reason: Exception) -> None:
    """Tell that a machine has been short of what opening the index of a collection takes."""
    words = {"name": name, "minutes": int(waited_s // 60), "reason": reason}

    def message() -> str:
        return (
            _(
                "The live index of the collection “%(name)s” could not be opened for %(minutes)d "
                "minutes: %(reason)s Until it is open, searches get the index before it, or none."
            )
            % words
        )

    _tell(name, "warning", message)


def over(name: str) -> None:
    """Close the alert: the index of a collection is open."""
    alerts.resolve_alert(_key(name))


def _tell(name: str, severity: str, message: Callable[[], str]) -> None:
    try:
        alerts.raise_alert(_key(name), severity, message)
    except DatabaseError:
        logger.warning("no alert about the index of %s, the database is away", name)


def _key(name: str) -> str:
    return f"search.index.{name}"
