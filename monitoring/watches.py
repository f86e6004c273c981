"""Looking at parts again and again in the background, so that asking how they do costs nothing.

Each watch has a thread of its own: a part that hangs holds up its own watch only, and shows by
the age of what the watch found last. Watches rest while nobody asks.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from django.db import connection

from portal.core.findings import Finding, Probe, Status

logger = logging.getLogger(__name__)

EVERY_S = 1.0
# With EVERY_S this keeps a dead part's last good finding from being shown for five seconds.
PATIENCE_S = 3.0
REST_AFTER_S = 60.0
FIRST_LOOK_S = 2.0


class Watch:
    """One thread that looks at some parts every second.

    Parameters
    ----------
    names
        The parts it finds something about.
    probe
        Returns a finding for each name; whatever it raises counts against all of them.
    """

    def __init__(self, names: Sequence[str], probe: Probe) -> None:
        self.names = names
        self._probe = probe
        self._found: Mapping[str, Finding] = {}
        self._found_at = 0.0
        self._has_looked = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, delay_s: float = 0.0) -> None:
        """Begin to look at once, and look again every second after a delay."""
        self._stop.clear()
        self._has_looked.clear()
        self._thread = threading.Thread(
            target=self._run, args=[delay_s], name=f"watch-{self.names[0]}", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Look no more; the thread ends by itself when it is in the middle of a look."""
        self._stop.set()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread to end."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    def findings(self, wait_until: float) -> Mapping[str, Finding]:
        """Return what was found last, waiting for the first look until a monotonic time."""
        self._has_looked.wait(max(0.0, wait_until - time.monotonic()))
        age_s = time.monotonic() - self._found_at
        if self._has_looked.is_set() and age_s <= PATIENCE_S:
            return self._found
        silent = Finding(Status.UNHEALTHY, f"No answer within {PATIENCE_S:.0f} s.")
        return dict.fromkeys(self.names, silent)

    def _run(self, delay_s: float) -> None:
        try:
            while not self._stop.is_set():
                self._found, self._found_at = self._look(), time.monotonic()
                self._has_looked.set()
                self._stop.wait(EVERY_S + delay_s)
                delay_s = 0.0
        finally:
            connection.close()

    def _look(self) -> Mapping[str, Finding]:
        try:
            connection.close_if_unusable_or_obsolete()
            return self._probe()
        except Exception as exc:  # noqa: BLE001 - whatever it is, the part is ill
            logger.warning("%s: %s: %s", self.names[0], type(exc).__name__, exc)
            connection.close()
            failed = Finding(Status.UNHEALTHY, f"{type(exc).__name__} when asked.")
            return dict.fromkeys(self.names, failed)


class Watches:
    """Several watches that run while somebody asks; a forked child starts its own."""

    def __init__(self, make: Callable[[], Sequence[Watch]]) -> None:
        self._make = make
        self._watches: Sequence[Watch] = ()
        self._pid = 0
        self._asked_at = 0.0
        self._lock = threading.Lock()

    def findings(self) -> dict[str, Finding]:
        """Return what is known about every part."""
        self._asked_at = time.monotonic()
        self._ensure()
        wait_until = time.monotonic() + FIRST_LOOK_S
        found: dict[str, Finding] = {}
        for watch in self._watches:
            found |= watch.findings(wait_until)
        return found

    def stop(self) -> None:
        """End all threads, as between tests."""
        with self._lock:
            for watch in self._watches:
                watch.stop()
            for watch in self._watches:
                watch.join(PATIENCE_S)
            self._pid = 0

    def _ensure(self) -> None:
        if self._pid == os.getpid():
            return
        with self._lock:
            if self._pid == os.getpid():
                return
            self._watches = self._make()
            for place, watch in enumerate(self._watches):
                # One after another within the second: all at once they would hold up requests.
                watch.start(EVERY_S * place / len(self._watches))
            self._pid = os.getpid()
            threading.Thread(target=self._rest_when_idle, name="watches", daemon=True).start()

    def _rest_when_idle(self) -> None:
        pid = self._pid
        while self._pid == pid and time.monotonic() - self._asked_at < REST_AFTER_S:
            time.sleep(EVERY_S)
        if self._pid == pid:
            self.stop()
