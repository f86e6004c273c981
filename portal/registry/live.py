"""How processes learn of an alias move: a message at once, the database polled behind it.

The history in Postgres is the truth. A message in Redis only says "look now", so a lost message, a
restarted Redis or a hung one costs at most the polling interval.
"""

import logging
import os
import threading
import weakref
from collections.abc import Callable, Hashable
from functools import cache, partial

import redis
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection, transaction
from redis.backoff import NoBackoff
from redis.client import PubSub
from redis.retry import Retry

from portal.registry import selectors
from portal.registry.models import Alias, ModelVersion

logger = logging.getLogger(__name__)

POLL_S = 0.5  # ours: two polls and a load stay under the two seconds promised for a move
REDIS_TIMEOUT_S = 0.5


@cache
def _redis() -> redis.Redis:
    """Return a client that answers or fails at once: redis-py retries for seconds by default."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=REDIS_TIMEOUT_S,
        socket_connect_timeout=REDIS_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )


def channel(model_name: str) -> str:
    """Return the Redis channel that tells of a model's alias moves."""
    return f"millwright:alias:{model_name}"


def publish(model_name: str) -> None:
    """Tell every watcher to look now; when Redis is down, watchers find the move by polling."""
    try:
        _redis().publish(channel(model_name), "moved")
    except redis.RedisError as exc:
        logger.warning("alias move of %s not announced, watchers will poll: %s", model_name, exc)


def publish_on_commit(model_name: str) -> None:
    """Call :func:`publish` once the current transaction is committed."""
    transaction.on_commit(partial(publish, model_name))


def _reset_in_child(reference: "weakref.ref[AliasWatcher]") -> None:
    """Forget the parent's thread and lock, which do not exist in a forked child."""
    watcher = reference()
    if watcher is not None:
        watcher._reset()


class AliasWatcher:
    """A daemon thread that calls back when an alias moves, and once at the start.

    Call :meth:`start` wherever the watched version is needed: it costs nothing while the thread
    runs, and it starts a new thread in a forked child, where the parent's does not exist.

    Parameters
    ----------
    model_name
        Name of the registered model.
    on_change
        Called in the watcher's thread with the version the alias points at now, or None. When it
        raises, the error is logged and the call is repeated at the next look.
    alias
        Which alias to watch.
    also
        Reads something else from the database that the callback depends on; called at every look,
        and when what it returns changes the callback is repeated.
    """

    def __init__(
        self,
        model_name: str,
        on_change: Callable[[ModelVersion | None], None],
        *,
        alias: Alias = Alias.CHAMPION,
        also: Callable[[], Hashable] | None = None,
    ) -> None:
        self.model_name = model_name
        self.alias = alias
        self._on_change = on_change
        self._also = also
        self._reset()
        os.register_at_fork(after_in_child=partial(_reset_in_child, weakref.ref(self)))

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._seen: Hashable = None
        self._is_told = False
        self._was_down = False
        self._client: redis.Redis | None = None

    @property
    def is_running(self) -> bool:
        """Whether this process has a living watcher thread."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Make sure the thread runs in this process."""
        if self.is_running:
            return
        with self._lock:
            if not self.is_running:
                self._stop.clear()
                self._is_told = False
                self._thread = threading.Thread(
                    target=self._run, name=f"alias-watcher-{self.model_name}", daemon=True
                )
                self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """End the thread and wait for it."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        pubsub: PubSub | None = None
        try:
            while not self._stop.is_set():
                self._look()
                pubsub = self._listen(pubsub)
        finally:
            connection.close()
            self._hang_up(pubsub)

    def _look(self) -> None:
        """Ask the history for the last move and call back when it is a new one."""
        try:
            connection.close_if_unusable_or_obsolete()
            last = (
                selectors.last_move_id(self.model_name, self.alias),
                self._also() if self._also else None,
            )
            if self._is_told and last == self._seen:
                return
            self._on_change(selectors.current(self.model_name, self.alias))
        except DatabaseError as exc:
            self._report_down(exc)
            connection.close()
        except Exception:
            logger.exception("%s of %s not taken over, trying again", self.alias, self.model_name)
        else:
            self._seen, self._is_told, self._was_down = last, True, False

    def _report_down(self, exc: Exception) -> None:
        if not self._was_down:
            logger.warning("watcher of %s waits for the database: %s", self.model_name, exc)
        self._was_down = True

    def _listen(self, pubsub: PubSub | None) -> PubSub | None:
        """Wait for a message or the polling interval; return the subscription to go on with."""
        try:
            if pubsub is None:
                self._client = _redis()  # kept: a client that goes away closes its connections
                pubsub = PubSub(self._client.connection_pool, ignore_subscribe_messages=True)
                pubsub.subscribe(channel(self.model_name))
            pubsub.get_message(timeout=POLL_S)
        except (redis.RedisError, OSError):
            self._hang_up(pubsub)
            self._stop.wait(POLL_S)
            return None
        return pubsub

    @staticmethod
    def _hang_up(pubsub: PubSub | None) -> None:
        if pubsub is None:
            return
        try:
            pubsub.close()
        except (redis.RedisError, OSError):
            logger.debug("subscription was gone already")
