"""Limits as Django REST framework asks for them: per key or person, per address for the unknown."""

from functools import cache
from typing import TYPE_CHECKING

from django.conf import settings
from django.http import HttpRequest
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from portal.core.api import addresses
from portal.core.api.authentication import principal_of
from portal.core.keys import Principal
from portal.core.limits import Limiter

if TYPE_CHECKING:
    # Importing it here would be a circle: its settings name this module.
    from rest_framework.views import APIView


@cache
def principal_limiter() -> Limiter:
    """Return the limit of a key or person."""
    return Limiter("principal", settings.REQUESTS_PER_MINUTE)


class RequestLimit(BaseThrottle):
    """The one throttle of the API."""

    def __init__(self) -> None:
        self.wait_s = 0

    def allow_request(self, request: Request, view: "APIView") -> bool:
        self.wait_s = _seconds_to_wait(request)
        return self.wait_s == 0

    def wait(self) -> float | None:
        return self.wait_s


def _seconds_to_wait(request: HttpRequest | Request) -> int:
    principal = principal_of(request)
    if principal is None:
        return addresses.seconds_to_wait(request)
    return principal_limiter().seconds_to_wait(principal.name)


def count(principal: Principal) -> None:
    """Count a request of a known caller.

    Raises
    ------
    Throttled
        When the caller has asked too often.
    """
    wait_s = principal_limiter().seconds_to_wait(principal.name)
    if wait_s:
        raise Throttled(wait_s)
