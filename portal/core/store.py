"""The process's connection pool to Redis, for what must not wait: limits and announcements."""

from functools import cache

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

TIMEOUT_S = 1.0


@cache
def redis_client() -> redis.Redis:
    """Return the shared client; it fails within a second rather than hold up a request."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),  # by default redis-py tries again for seconds
    )
