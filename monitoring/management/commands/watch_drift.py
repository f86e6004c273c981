import signal
from threading import Event
from typing import Any

from django.core.management.base import BaseCommand

from monitoring import dispatch
from monitoring.selectors import drift as selectors
from monitoring.services.drift.following import Follower
from portal.core.actors import Actor

ACTOR = Actor.system("watcher")
#: Runs asked for at once: each takes seconds, and other maintenance waits behind them.
MOST_RUNS = 4


def calibrate_what_is_due() -> None:
    """Start learning for the windows that have enough to learn from."""
    for window in selectors.to_calibrate()[:MOST_RUNS]:
        dispatch.calibrate_drift(window=window, actor=ACTOR)


class Command(BaseCommand):
    help = (
        "Count recorded predictions and watch them for drift until stopped. "
        "Any number may run; one of them counts, the others stand by."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        stop = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        Follower().run(stop, between=calibrate_what_is_due)
