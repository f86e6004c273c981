"""The health of the whole portal, and whether this process may be sent requests."""

import time
from functools import cache
from typing import Any

import psutil
from django.conf import settings

from monitoring import probes
from monitoring.watches import Watch, Watches
from portal.core import findings
from portal.core.findings import Finding, Status, worst
from portal.lib import clock

NEEDED = ("postgres", "migrations", "redis")


def _all() -> list[Watch]:
    others = [Watch([name], probe) for name, probe in findings.registered().items()]
    return [
        Watch(["postgres"], probes.postgres),
        Watch(["migrations"], probes.Migrations()),
        Watch(["redis"], probes.redis),
        Watch(
            ["workers", "beat", "recorder", "sampler", "watcher", "queues", "dead_man"],
            probes.work,
        ),
        Watch(["champions"], probes.champions),
        Watch(["disk", "processes"], lambda: {**probes.disk(), **probes.processes()}),
        *others,
    ]


watches = Watches(_all)


@cache
def started() -> float:
    """Return when the server started, in seconds since 1970; replaced workers change nothing."""
    return server_start(psutil.Process())


def server_start(process: psutil.Process) -> float:
    """Return the start of the server that a worker process belongs to."""
    parent = process.parent()
    if parent is not None and _program(parent) == _program(process):
        return float(parent.create_time())
    return float(process.create_time())


def _program(process: psutil.Process) -> str:
    try:
        return str(process.exe())
    except psutil.Error:
        return ""


def uptime_s() -> float:
    """Return the seconds since the server started."""
    return max(0.0, time.time() - started())


def report() -> dict[str, Any]:
    """Return how the portal does, from looks not older than a few seconds."""
    found = watches.findings()
    return {
        "status": worst(found.values()).value,
        "version": settings.VERSION,
        "uptime_seconds": round(uptime_s(), 1),
        "timestamp": clock.now().isoformat().replace("+00:00", "Z"),
        "checks": {name: finding.to_dict() for name, finding in found.items()},
    }


def missing() -> dict[str, Finding]:
    """Return what this process still needs before it can answer requests."""
    found = watches.findings()
    ill = {name: found[name] for name in NEEDED if found[name].status != Status.HEALTHY}
    return ill | {name: one for name, one in found.items() if one.is_starting}
