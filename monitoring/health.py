"""The health of the whole portal, and whether this process may be sent requests."""

import time
from typing import Any

from django.conf import settings

from monitoring import probes
from monitoring.findings import Finding, Status, worst
from monitoring.watches import Watch, Watches
from portal.lib import clock

STARTED = time.monotonic()
NEEDED = ("postgres", "migrations", "redis")


def _all() -> list[Watch]:
    return [
        Watch(["postgres"], probes.postgres),
        Watch(["migrations"], probes.Migrations()),
        Watch(["redis"], probes.redis),
        Watch(["workers", "beat", "recorder", "queues"], probes.work),
        Watch(["champions"], probes.champions),
        Watch(["disk"], probes.disk),
    ]


watches = Watches(_all)


def report() -> dict[str, Any]:
    """Return how the portal does, from looks not older than a few seconds."""
    findings = watches.findings()
    return {
        "status": worst(findings.values()).value,
        "version": settings.VERSION,
        "uptime_seconds": round(time.monotonic() - STARTED, 1),
        "timestamp": clock.now().isoformat().replace("+00:00", "Z"),
        "checks": {name: finding.to_dict() for name, finding in findings.items()},
    }


def missing() -> dict[str, Finding]:
    """Return what this process still needs before it can answer requests."""
    findings = watches.findings()
    return {name: findings[name] for name in NEEDED if findings[name].status != Status.HEALTHY}
