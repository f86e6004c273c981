"""What a look at one part of the portal found, and the parts that are looked at.

An app registers a check for what only it knows, such as whether its index is loaded; health looks
at it every second, in a thread of its own.
"""

import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


class Status(enum.StrEnum):
    """How a part, or the whole, does."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


BY_GRAVITY = (Status.HEALTHY, Status.DEGRADED, Status.UNHEALTHY)


@dataclass(frozen=True)
class Finding:
    """How one part does.

    Attributes
    ----------
    status
        The judgement.
    detail
        Why it is not healthy, in a sentence; it names no host, account or file.
    figures
        What was measured, units in the names.
    is_starting
        Whether the process should be sent no request before this is over.
    """

    status: Status
    detail: str = ""
    figures: dict[str, Any] = field(default_factory=dict)
    is_starting: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as the report shows it."""
        said = {"detail": self.detail} if self.detail else {}
        return {"status": self.status.value, **said, **self.figures}


def worst(findings: Iterable[Finding]) -> Status:
    """Return the gravest status; healthy when there is no finding."""
    return max((item.status for item in findings), key=BY_GRAVITY.index, default=Status.HEALTHY)


Probe = Callable[[], Mapping[str, Finding]]
_probes: dict[str, Probe] = {}


def register(name: str, look: Callable[[], Finding]) -> None:
    """Have a part looked at; whatever `look` raises counts as ill.

    Parameters
    ----------
    name
        Of the check, as the health report shows it.
    look
        Called about every second while somebody asks for health, in each web process; it may query
        Postgres and Redis. One that hangs counts as ill after three seconds.
    """
    _probes[name] = lambda: {name: look()}


def registered() -> Mapping[str, Probe]:
    """Return the probes that apps registered, by name of their check."""
    return dict(_probes)
