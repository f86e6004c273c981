"""How a process hears that keys changed: a listening thread and an epoch moved by each word.

While the thread does not listen (Redis is away, the process is new) there is no epoch, and nobody
may rely on what they remember.
"""

import contextlib
import logging
import os
import threading
import time

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.client import PubSub
from redis.retry import Retry

from portal.core.store import redis_client

logger = logging.getLogger(__name__)

CHANNEL = "millwright:keys"
PING_EVERY_S = 2.0
ANSWER_WITHIN_S = 2.0
RETRY_S = 0.5


def announce() -> None:
    """Tell every process, this one first. Without Redis nobody else remembers anything either."""
    _listener.move()
    try:
        redis_client().publish(CHANNEL, "changed")
    except redis.RedisError:
        logger.warning("keys changed while Redis is away; what processes remember ends within 30 s")


def epoch() -> int | None:
    """Return the epoch that memories must bear, or None when nothing may be remembered."""
    _listener.ensure()
    return _listener.epoch


class _Listener:
    """One thread per process; a forked child starts its own."""

    def __init__(self) -> None:
        self.epoch: int | None = None
        self._count = 0
        self._pid = 0
        self._lock = threading.Lock()

    def ensure(self) -> None:
        if self._pid == os.getpid():
            return
        with self._lock:
            if self._pid == os.getpid():
                return
            self.epoch = None
            self._pid = os.getpid()
            threading.Thread(target=self._run, name="key-news", daemon=True).start()

    def move(self) -> None:
        with self._lock:
            self._count += 1
            if self.epoch is not None:
                self.epoch = self._count

    def _run(self) -> None:
        while True:
            try:
                self._listen()
            except (redis.RedisError, OSError):
                self._deaf()
                time.sleep(RETRY_S)

    def _listen(self) -> None:
        client = redis.Redis.from_url(
            settings.REDIS_URL,
            socket_timeout=ANSWER_WITHIN_S,
            socket_connect_timeout=ANSWER_WITHIN_S,
            retry=Retry(NoBackoff(), 0),
        )
        with contextlib.closing(client), PubSub(client.connection_pool) as news:
            news.subscribe(CHANNEL)
            self._hear(news)

    def _hear(self, news: PubSub) -> None:
        """Follow the channel; a server that stops answering our pings counts as gone."""
        asked_at: float | None = None
        while True:
            message = news.get_message(timeout=PING_EVERY_S / 2)
            moment = time.monotonic()
            kind = message["type"] if message else ""
            if kind in {"subscribe", "message"}:
                self._heard()
            if message:
                asked_at = None
            elif asked_at is None:
                news.ping()
                asked_at = moment
            elif moment - asked_at > ANSWER_WITHIN_S:
                raise redis.TimeoutError("Redis no longer answers")

    def _heard(self) -> None:
        with self._lock:
            self._count += 1
            self.epoch = self._count

    def _deaf(self) -> None:
        with self._lock:
            self.epoch = None


_listener = _Listener()
