"""Limits on addresses: whoever shows no good key or session is known by nothing else."""

from functools import cache

from django.conf import settings
from django.http import HttpRequest
from rest_framework.exceptions import Throttled
from rest_framework.request import Request

from portal.core.limits import Limiter, address_of


@cache
def address_limiter() -> Limiter:
    """Return the limit of an address."""
    return Limiter("address", settings.ANONYMOUS_REQUESTS_PER_MINUTE)


def seconds_to_wait(request: HttpRequest | Request) -> int:
    """Count a request against its address; return 0 when it is within the limit."""
    return address_limiter().seconds_to_wait(address_of(request))


def count_stranger(request: HttpRequest | Request) -> None:
    """Count a request that is about to be refused for want of a good key or session.

    Raises
    ------
    Throttled
        When its address has asked too often.
    """
    wait_s = seconds_to_wait(request)
    if wait_s:
        raise Throttled(wait_s)
