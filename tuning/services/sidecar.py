"""A sidecar: looks at an instance every second and delivers what it saw, also after an outage.

Looking and delivering are two threads: while the portal is away, looking goes on and samples wait
in a buffer of an hour.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import httpx
import structlog
from django.db import DatabaseError, InterfaceError, connection
from django.utils.translation import gettext as _

from portal.core.errors import PortalError, Unavailable
from tuning.engine.live.figures import Sample
from tuning.engine.live.instance import Instance as Watched
from tuning.services import instances
from tuning.services.instances import About

log = structlog.get_logger(__name__)

EVERY_S = 1.0
#: An hour; what is older than that gives way.
ROOM = 3600
BATCH = 600
_WAIT_S, _LONGEST_WAIT_S = 1.0, 5.0
_TIMEOUT_S = 10.0
_SET_BACK = timedelta(seconds=5)
_TOO_MANY, _SERVER = 429, 500


class Refusal(RuntimeError):
    """The portal takes no samples of this sidecar, and asking again is futile."""


class Place(Protocol):
    """Where samples are delivered to."""

    def deliver(self, name: str, about: About, samples: Sequence[Sample]) -> None:
        """Deliver samples; those that are known already do no harm.

        Raises
        ------
        Unavailable
            When it may work later.
        Refusal
            When it will not.
        """
        ...


class OwnDatabase:
    """The portal's database, from a process of the portal."""

    def deliver(self, name: str, about: About, samples: Sequence[Sample]) -> None:
        """Write samples."""
        rows = [{"at": one.at, **one.to_dict()} for one in samples]
        try:
            instances.take(name=name, about=about, samples=rows)
        except (DatabaseError, InterfaceError) as exc:
            connection.close()
            raise Unavailable(" ".join(str(exc).split())) from exc
        except PortalError as exc:
            raise Refusal(_said(exc)) from exc


class OtherPortal:
    """A portal on another host, over HTTP.

    Parameters
    ----------
    url : str
        Such as ``https://portal.example.org``.
    key : str
        Of the scope ``tune``.
    """

    def __init__(self, url: str, key: str) -> None:
        self._root = f"{url.rstrip('/')}/api/v1/tuning-instances"
        self._client = httpx.Client(
            headers={"Authorization": f"Bearer {key}"}, timeout=_TIMEOUT_S, follow_redirects=False
        )

    def deliver(self, name: str, about: About, samples: Sequence[Sample]) -> None:
        """Post samples."""
        rows = [{"at": one.at.isoformat(), **one.to_dict()} for one in samples]
        body = {"about": asdict(about), "samples": rows}
        try:
            answer = self._client.post(f"{self._root}/{name}/samples/", json=body)
        except httpx.HTTPError as exc:
            raise Unavailable(str(exc) or type(exc).__name__) from exc
        if answer.status_code == _TOO_MANY or answer.status_code >= _SERVER:
            raise Unavailable(f"HTTP {answer.status_code}")
        if not answer.is_success:
            raise Refusal(f"HTTP {answer.status_code}: {answer.text[:500]}")


class Buffer:
    """Samples that wait to be delivered; the oldest give way when there is no room."""

    def __init__(self, room: int = ROOM) -> None:
        self._waiting: deque[Sample] = deque()
        self._room = room
        self._lock = threading.Lock()
        self.n_lost = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, sample: Sample) -> None:
        """Take one in."""
        with self._lock:
            self._waiting.append(sample)
            if len(self._waiting) > self._room:
                self._waiting.popleft()
                self.n_lost += 1

    def first(self) -> list[Sample]:
        """Return the oldest, which stay until they are delivered."""
        with self._lock:
            return [one for one, _n in zip(self._waiting, range(BATCH), strict=False)]

    def remove(self, delivered: Sequence[Sample]) -> None:
        """Let go of what was delivered."""
        # Some may have given way meanwhile. Not by their time: a clock may have been set back.
        gone = {id(one) for one in delivered}
        with self._lock:
            while self._waiting and id(self._waiting[0]) in gone:
                self._waiting.popleft()


class Courier(threading.Thread):
    """Delivers what waits, until told to stop; then once more.

    Parameters
    ----------
    about : callable
        Returns what is known of the instance now.
    """

    def __init__(self, name: str, place: Place, buffer: Buffer, about: Callable[[], About]) -> None:
        super().__init__(name="courier", daemon=True)
        self._instance, self._place, self._buffer, self._about = name, place, buffer, about
        self.stopping = threading.Event()
        self.refusal = ""
        self.is_away = False

    def run(self) -> None:
        wait_s = _WAIT_S
        try:
            while not self.stopping.wait(wait_s if self.is_away else EVERY_S / 4):
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S) if not self.deliver() else _WAIT_S
                if self.refusal:
                    return
            self.deliver()
        finally:
            connection.close()

    def deliver(self) -> bool:
        """Deliver all that waits; False when the portal is away or refuses."""
        while samples := self._buffer.first():
            try:
                about = replace(self._about(), n_lost=self._buffer.n_lost)
                self._place.deliver(self._instance, about, samples)
            except Unavailable as exc:
                if not self.is_away:
                    log.warning("portal_away", reason=str(exc), n_waiting=len(self._buffer))
                self.is_away = True
                return False
            except Refusal as exc:
                self.refusal = str(exc)
                return False
            if self.is_away:
                log.warning("portal_back", n_waiting=len(self._buffer), n_lost=self._buffer.n_lost)
            self.is_away = False
            self._buffer.remove(samples)
        return True


class Sidecar:
    """Looks every whole second until told to stop.

    Parameters
    ----------
    about : About
        What does not change: host, folder, workload.
    """

    def __init__(self, name: str, watched: Watched, place: Place, about: About) -> None:
        self._watched, self._fixed = watched, about
        self._options: dict[str, Any] = {}
        self._options_of: object = None
        self.buffer = Buffer()
        self.courier = Courier(name, place, self.buffer, self._about)

    def run(self, stop: threading.Event, seconds: float | None = None) -> None:
        """Look and deliver.

        Raises
        ------
        Refusal
            When the portal takes nothing of it.
        """
        self.courier.start()
        until = None if seconds is None else time.monotonic() + seconds
        at = _whole(datetime.now(tz=UTC))
        try:
            while not stop.is_set() and self.courier.is_alive():
                if sample := self._watched.look(at):
                    self.buffer.add(sample)
                if until is not None and time.monotonic() >= until:
                    break
                at = _next(at)
                stop.wait(max(0.0, (at - datetime.now(tz=UTC)).total_seconds()))
            has_died = not self.courier.is_alive()  # nobody has told it to stop
        finally:
            self.courier.stopping.set()
            self.courier.join(_TIMEOUT_S)
            self._watched.close()
        if self.courier.refusal:
            raise Refusal(self.courier.refusal)
        if has_died:
            raise Refusal(_("Delivering failed in a way that was not foreseen: see the traceback."))

    def _about(self) -> About:
        options = self._watched.options
        if options is not None and options is not self._options_of:
            self._options, self._options_of = options.configuration(_family(options)), options
        return replace(
            self._fixed,
            version=self._watched.version[:40],
            pid=self._watched.pid,
            options=self._options,
        )


def _family(options: Any) -> str:
    return "default" if "default" in options.families else next(iter(options.families))


def _whole(at: datetime) -> datetime:
    return at.replace(microsecond=0)


def _next(at: datetime) -> datetime:
    """Return the next second to look at; those that were missed are left out.

    A clock that was set back is followed.
    """
    now = _whole(datetime.now(tz=UTC))
    last = at if at - now < _SET_BACK else now
    return max(last, now) + timedelta(seconds=EVERY_S)


def _said(exc: PortalError) -> str:
    return " ".join(dict.fromkeys([str(exc), *(problem.message for problem in exc.problems)]))
