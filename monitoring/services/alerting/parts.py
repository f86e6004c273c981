"""Alerts about the parts of the portal, from the looks of health: ill for a while, not once."""

import time
from collections.abc import Mapping

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from monitoring.engine.latch import Latch
from portal.core import alerts
from portal.core.findings import Finding, Status
from portal.core.models import Alert
from portal.runs import provenance

PREFIX = "health."
#: Restarts of a part take a few seconds, of the whole half a minute; ours.
OPENS_AFTER_S, CLOSES_AFTER_S = 60.0, 60.0
#: What other machines see as well as this one; all else is this machine's own.
SHARED = frozenset({"workers", "beat", "recorder", "sampler", "queues", "dead_man", "stream"})
SEVERITIES = {Status.UNHEALTHY: Alert.Severity.CRITICAL, Status.DEGRADED: Alert.Severity.WARNING}
STATUSES = {
    Status.UNHEALTHY: gettext_lazy("unhealthy"),
    Status.DEGRADED: gettext_lazy("degraded"),
}


class Parts:
    """What one process remembers of the parts between its looks."""

    def __init__(self) -> None:
        self._latches: dict[str, Latch] = {}

    def note(self, found: Mapping[str, Finding], at_s: float | None = None) -> None:
        """Open and close alerts by what was found at a monotonic time."""
        moment = time.monotonic() if at_s is None else at_s
        open_keys = set(
            Alert.objects.open().filter(key__startswith=PREFIX).values_list("key", flat=True)
        )
        for name, finding in found.items():
            key = key_of(name)
            latch = self._latches.setdefault(
                name, Latch(OPENS_AFTER_S, CLOSES_AFTER_S, is_ill=key in open_keys)
            )
            is_ill = latch.note(is_ill=finding.status != Status.HEALTHY, at_s=moment)
            if is_ill and finding.status != Status.HEALTHY:
                _raise(key, name, finding)
            elif not is_ill and key in open_keys:
                alerts.resolve_alert(key)


def key_of(name: str) -> str:
    """Return the key of a part's alert."""
    return f"{PREFIX}{name}" if name in SHARED else f"{PREFIX}{name}.{provenance.host()}"


def _raise(key: str, name: str, finding: Finding) -> None:
    alerts.raise_alert(
        key,
        SEVERITIES[finding.status],
        lambda: (
            _("The check “%(name)s” has been %(status)s for a minute: %(detail)s")
            % {"name": name, "status": STATUSES[finding.status], "detail": finding.detail}
        ),
        "/admin/",
    )
