"""Limits on requests a minute, counted in Redis for all processes together.

A process draws from the shared count in small lots and spends them alone, so that a busy caller
costs a trip to Redis once in many requests. The count can therefore be off by one lot a process,
at most a hundredth of the limit each. Without Redis nobody is limited; the log says so.
"""

import logging
import threading
import time
from dataclasses import dataclass
from typing import Any, Protocol

import redis
from django.conf import settings

from portal.core.store import redis_client
from portal.lib import clock

logger = logging.getLogger(__name__)

WINDOW_S = 60
LOTS = 100
PAUSE_WITHOUT_REDIS_S = 5.0


class Asks(Protocol):
    """Any request that says in META where it came from."""

    META: dict[str, Any]


def address_of(request: Asks) -> str:
    """Return the caller's address: the last one that our own proxies have seen themselves."""
    chain = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    n_proxies: int = settings.N_PROXIES
    if n_proxies and len(chain) >= n_proxies and chain[-n_proxies].strip():
        return str(chain[-n_proxies].strip())
    return str(request.META.get("REMOTE_ADDR") or "unknown")


@dataclass
class _Lot:
    window: int
    left: int
    is_refused: bool = False


class Limiter:
    """Requests a minute for each of many callers."""

    def __init__(self, name: str, per_minute: int) -> None:
        self.name = name
        self.per_minute = per_minute
        self._lot_size = max(1, per_minute // LOTS)
        self._lots: dict[str, _Lot] = {}
        self._lock = threading.Lock()
        self._blind_until = 0.0

    def seconds_to_wait(self, caller: str, count: int = 1) -> int:
        """Count a request; return 0 when it is within the limit, else when to come back.

        Parameters
        ----------
        caller
            Who asks.
        count
            What the request counts for; it is granted whole or not at all.
        """
        if self.per_minute == 0:
            return 0
        moment = clock.now().timestamp()
        window = int(moment // WINDOW_S)
        with self._lock:
            lot = self._lots.get(caller)
            if lot is not None and lot.window == window:
                if lot.left >= count:
                    lot.left -= count
                    return 0
                if lot.is_refused:
                    return _rest(moment)
        if count > 1:
            return self._draw_exactly(caller, window, moment, count)
        return self._draw(caller, window, moment)

    def wait_if_spent(self, caller: str) -> int:
        """Return when to come back if the limit is spent, else 0; this counts nothing."""
        if self.per_minute == 0:
            return 0
        moment = clock.now().timestamp()
        try:
            counted = redis_client().get(self._key(caller, int(moment // WINDOW_S)))
        except redis.RedisError:
            logger.warning("Redis does not answer: requests are not limited (%s)", self.name)
            return 0
        return _rest(moment) if int(counted or 0) >= self.per_minute else 0

    def _draw(self, caller: str, window: int, moment: float) -> int:
        if time.monotonic() < self._blind_until:
            return 0
        try:
            total = self._count(caller, window, self._lot_size)
        except redis.RedisError:
            self._lose_sight()
            return 0
        granted = min(self._lot_size, self._lot_size - (total - self.per_minute))
        with self._lock:
            if len(self._lots) > 10_000:
                self._lots.clear()
            self._lots[caller] = _Lot(window, max(granted - 1, 0), is_refused=granted <= 0)
        return _rest(moment) if granted <= 0 else 0

    def _draw_exactly(self, caller: str, window: int, moment: float, count: int) -> int:
        """Count many at once beside the lots; what is refused is not counted."""
        if time.monotonic() < self._blind_until:
            return 0
        try:
            if self._count(caller, window, count) <= self.per_minute:
                return 0
            self._count(caller, window, -count)
        except redis.RedisError:
            self._lose_sight()
            return 0
        return _rest(moment)

    def _lose_sight(self) -> None:
        self._blind_until = time.monotonic() + PAUSE_WITHOUT_REDIS_S
        logger.warning("Redis does not answer: requests are not limited (%s)", self.name)

    def _count(self, caller: str, window: int, count: int) -> int:
        key = self._key(caller, window)
        with redis_client().pipeline(transaction=False) as pipe:
            pipe.incrby(key, count)
            pipe.expire(key, 2 * WINDOW_S)
            return int(pipe.execute()[0])

    def _key(self, caller: str, window: int) -> str:
        return f"millwright:limit:{self.name}:{caller}:{window}"


def _rest(moment: float) -> int:
    return int(WINDOW_S - moment % WINDOW_S) + 1
