"""Limits as Django REST framework asks for them: per key or person, per address for the unknown."""

from functools import cache
from typing import TYPE_CHECKING

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from portal.core.api.authentication import principal_of
from portal.core.limits import Limiter

if TYPE_CHECKING:
    # Importing it here would be a circle: its settings name this module.
    from rest_framework.views import APIView


@cache
def principal_limiter() -> Limiter:
    """Return the limit of a key or person."""
    return Limiter("principal", settings.REQUESTS_PER_MINUTE)


@cache
def address_limiter() -> Limiter:
    """Return the limit of an address that shows neither key nor session."""
    return Limiter("address", settings.ANONYMOUS_REQUESTS_PER_MINUTE)


def client_address(request: HttpRequest | Request) -> str:
    """Return the caller's address: the last that our own proxies have seen themselves."""
    chain = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    n_proxies: int = settings.N_PROXIES
    if n_proxies and len(chain) >= n_proxies and chain[-n_proxies].strip():
        return str(chain[-n_proxies].strip())
    return str(request.META.get("REMOTE_ADDR") or "unknown")


class RequestLimit(BaseThrottle):
    """The one throttle of the API."""

    def __init__(self) -> None:
        self.wait_s = 0

    def allow_request(self, request: Request, view: "APIView") -> bool:
        self.wait_s = seconds_to_wait(request)
        return self.wait_s == 0

    def wait(self) -> float | None:
        return self.wait_s


def seconds_to_wait(request: HttpRequest | Request) -> int:
    """Count a request; return 0 when its caller is within the limit."""
    principal = principal_of(request)
    if principal is not None:
        return principal_limiter().seconds_to_wait(principal.name)
    return address_limiter().seconds_to_wait(client_address(request))
