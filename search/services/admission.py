"""A gate for each collection: a slow one holds up no other, and load that is too much is shed."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from django.conf import settings
from django.utils.translation import gettext as _

from portal.core.errors import Unavailable
from portal.lib import metrics
from search.engine.concurrency import Bounds, Full, Gate

SHED = metrics.counter(
    "portal_search_shed_total",
    "Searches turned away because too many were in work.",
    ["collection"],
)
LIMIT = metrics.gauge(
    "portal_search_limit", "How many searches a web process works on at once.", ["collection"]
)
#: Of the threads of a process, so many may work for one collection; ours.
SHARE = 0.75
#: A gate never closes further: one slow request must not stop the next.
LOW = 2


class Overloaded(Unavailable):
    """Too many searches are in work; the load is shed before it makes all of them slow."""

    code = "overloaded"
    title = "Too many searches at this moment"
    is_logged = False  # under load the log would be the next thing to break; it is counted

    def __init__(self, message: object, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


@cache
def gate(collection: str) -> Gate:
    """Return the gate of a collection in this process."""
    target_s = settings.SEARCH_TARGET_MS / 1000
    high = max(LOW, int(settings.WEB_THREADS * SHARE))
    return Gate(Bounds(LOW, high, target_s=target_s, patience_s=target_s))


@contextmanager
def turn(collection: str) -> Iterator[None]:
    """Work on one search of a collection.

    Raises
    ------
    Overloaded
        When no turn comes within the target.
    """
    own = gate(collection)
    try:
        with own.turn():
            yield
    except Full as exc:
        SHED.labels(collection).inc()
        LIMIT.labels(collection).set(own.limit)
        raise Overloaded(
            _("Too many searches are in work on “%(name)s”: come back in %(seconds)d s.")
            % {"name": collection, "seconds": exc.retry_after_s},
            exc.retry_after_s,
        ) from exc
