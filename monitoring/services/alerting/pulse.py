"""The dead-man switch: an outside address is asked while all is well, and not when it is not.

Whoever keeps that address raises the alarm when it is asked no more: then the portal cannot watch,
or cannot tell anybody. Alerts that reach people do not stop it; they are not its death.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q

from monitoring import probes
from monitoring.courier.orders import Order
from monitoring.models import Pulse
from monitoring.services.alerting import sending
from monitoring.services.alerting.courier import Courier
from portal.core import findings
from portal.core.findings import Finding, Probe, Status
from portal.lib import clock

#: Without these nothing is watched, however little ill they are called.
VITAL = ("beat", "workers")
#: A channel that has not delivered for so long cannot tell anybody. Ours.
MUTE_AFTER = timedelta(minutes=15)


def looked() -> Mapping[str, Finding]:
    """Look at every part that a worker's process can look at; what a look raises counts as ill."""
    found: dict[str, Finding] = {}
    for names, probe in _probes():
        try:
            found |= probe()
        except Exception as exc:  # noqa: BLE001 - whatever it is, the part is ill
            failed = Finding(Status.UNHEALTHY, f"{type(exc).__name__} when asked.")
            found |= dict.fromkeys(names, failed)
    return found


def _probes() -> Iterator[tuple[tuple[str, ...], Probe]]:
    yield ("redis",), probes.redis
    yield ("workers", "beat", "recorder", "sampler", "watcher", "queues", "dead_man"), probes.work
    yield ("disk",), probes.disk
    yield ("processes",), probes.processes
    for name, probe in findings.registered().items():
        yield (name,), probe


def trouble(found: Mapping[str, Finding], now: datetime) -> str:
    """Return why not all is well, empty when it is."""
    ill = [
        f"{name}: {finding.detail}"
        for name, finding in found.items()
        if finding.status == Status.UNHEALTHY
        or (name in VITAL and finding.status != Status.HEALTHY)
    ]
    mute = sending.waiting_for_long(now, MUTE_AFTER)
    ill += [f"{channel.name}: {channel.last_error or 'not delivered'}" for channel in mute]
    return "; ".join(ill)[:300]


def turn(courier: Courier, now: datetime | None = None) -> bool:
    """Ask the address when it is due and all is well; return whether it was asked."""
    address: str = settings.HEARTBEAT_URL
    if not address:
        return False
    moment = now or clock.now()
    every = timedelta(seconds=settings.HEARTBEAT_EVERY_S)
    Pulse.objects.get_or_create(pk=1, defaults={"due_at": moment})
    is_due = Q(due_at__lte=moment) | Q(due_at__gt=moment + 2 * every)  # a clock was set back
    row = Pulse.objects.filter(pk=1)
    if not row.filter(is_due).update(due_at=moment + every):
        return False  # not due, or another machine does it
    why_not = trouble(looked(), moment)
    row.update(looked_at=moment, trouble=why_not)
    if why_not:
        return False
    order = Order(
        id="pulse", kind="ping", address=address, timeout_s=float(settings.ALERT_TIMEOUT_S)
    )
    for report in courier.carry([order], 3 * order.timeout_s):
        if report.is_delivered:
            row.update(pinged_at=clock.now(), error="")
        else:
            row.update(error=report.error[:300])
    return True
