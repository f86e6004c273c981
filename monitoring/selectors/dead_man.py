"""How the dead-man switch stands: whether whoever is outside still hears from the portal."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.conf import settings

from monitoring.models import Pulse
from portal.lib import clock

#: Periods without a look after which the notifier is taken for dead. Ours.
MISSED_LOOKS = 5


class State(StrEnum):
    """What became of the last ping.

    Attributes
    ----------
    OFF
        No address is set.
    WAITING
        The first look has yet to come.
    WELL
        The address was asked.
    HELD
        It was not asked, since something is wrong here.
    FAILING
        It was asked and did not answer.
    STILL
        Nobody has looked for several periods.
    """

    OFF = "off"
    WAITING = "waiting"
    WELL = "well"
    HELD = "held"
    FAILING = "failing"
    STILL = "still"


@dataclass(frozen=True)
class Standing:
    """The state of the switch, when the address answered last, and why it did not since."""

    state: State
    pinged_at: datetime | None = None
    reason: str = ""


def standing(now: datetime | None = None) -> Standing:
    """Return how the switch stands; one query, none while no address is set."""
    if not settings.HEARTBEAT_URL:
        return Standing(State.OFF)
    row = Pulse.objects.filter(pk=1).first()
    if row is None or row.looked_at is None:
        return Standing(State.WAITING)
    moment = now or clock.now()
    limit = timedelta(seconds=MISSED_LOOKS * settings.HEARTBEAT_EVERY_S)
    if moment - row.looked_at > limit:
        return Standing(State.STILL, row.pinged_at)
    if row.trouble:
        return Standing(State.HELD, row.pinged_at, row.trouble)
    if row.error:
        return Standing(State.FAILING, row.pinged_at, row.error)
    return Standing(State.WELL, row.pinged_at)
