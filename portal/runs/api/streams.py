"""Live events of a run as server-sent events.

A stream holds a thread of the web process, so each process serves a bounded number and each stream
ends after a while; the browser then connects again and goes on after the last event it has seen.
"""

import json
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from functools import cache
from uuid import UUID

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections, connection
from django.utils.translation import gettext as _

from portal.core.errors import Unavailable
from portal.runs import selectors
from portal.runs.models import Run, RunEvent

MEDIA_TYPE = "text/event-stream"
POLL_S = 0.5
KEEP_ALIVE_S = 10.0
RETRY_MS = 2_000

log = structlog.get_logger(__name__)


class Budget:
    """How many streams a process may serve at once."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._slots = threading.BoundedSemaphore(most)

    def take(self) -> Callable[[], None]:
        """Take a slot and return what gives it back; giving back twice does no harm.

        Raises
        ------
        Unavailable
            When all are taken.
        """
        if not self._slots.acquire(blocking=False):
            message = _("This process already serves %(most)s event streams; try again soon.")
            raise Unavailable(message % {"most": self.most}, code="too_many_streams")
        once = threading.Lock()

        def give_back() -> None:
            if once.acquire(blocking=False):
                self._slots.release()

        return give_back


@cache
def budget() -> Budget:
    """Return this process's budget."""
    return Budget(settings.RUN_STREAMS)


def as_message(event: RunEvent) -> bytes:
    """Return an event as one message of the stream."""
    fields = {name: getattr(event, name) for name in selectors.STREAM_FIELDS}
    fields["at"] = event.at.isoformat()
    body = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    return f"id: {event.pk}\nevent: {event.type}\ndata: {body}\n\n".encode()


class EventStream:
    """The body of an answer: the events after one of them, until the run or the time is over."""

    def __init__(self, run_id: UUID, after: int, give_back: Callable[[], None]) -> None:
        self._run_id = run_id
        self._after = after
        self._give_back = give_back
        self._pieces = self._tell()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._pieces)

    def close(self) -> None:
        """Free the slot; the server calls this however the answer ends."""
        with suppress(ValueError):  # another thread is in the midst of a piece
            self._pieces.close()
        self._give_back()

    def _tell(self) -> Generator[bytes, None, None]:
        yield f"retry: {RETRY_MS}\n\n".encode()
        ends_at = time.monotonic() + settings.RUN_STREAM_S
        silent_since = time.monotonic()
        try:
            while time.monotonic() < ends_at:
                feed = selectors.feed(self._run_id, self._after)
                if feed.events:
                    self._after = feed.events[-1].pk
                    silent_since = time.monotonic()
                    yield b"".join(map(as_message, feed.events))
                if feed.is_over:
                    yield f'event: end\ndata: {{"state":"{feed.state}"}}\n\n'.encode()
                    return
                if time.monotonic() - silent_since >= KEEP_ALIVE_S:
                    silent_since = time.monotonic()
                    yield b": keep-alive\n\n"
                time.sleep(POLL_S)
        except (DatabaseError, InterfaceError, Run.DoesNotExist) as exc:
            log.warning("stream_ended_early", run_id=str(self._run_id), error=str(exc))
            connection.close()
        finally:
            close_old_connections()
            self._give_back()
