"""Counts what the portal is asked over HTTP, by route: never by path, which has no end."""

import time
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from portal.core.api import lane
from portal.lib import metrics

REQUESTS = metrics.counter(
    "portal_requests_total", "Requests answered.", ["method", "route", "status"]
)
ERRORS = metrics.counter(
    "portal_errors_total", "Requests answered with a fault of the portal.", ["method", "route"]
)
SECONDS = metrics.histogram("portal_request_seconds", "Time to an answer, by route.", ["route"])

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"
STATIC = "static"
UNMATCHED = "unmatched"
FAULT = 500

Handler = Callable[[HttpRequest], HttpResponseBase]


class CountingMiddleware:
    """Counts every answer behind it and takes its time."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response
        self._known: dict[tuple[str, str, int], _Counted] = {}

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        response = self.get_response(request)
        match = request.resolver_match
        route = match.route if match is not None else _unresolved(request.path_info)
        method = request.method or OTHER
        if method not in METHODS:
            method = OTHER
        key = (method, route, response.status_code)
        counted = self._known.get(key)
        if counted is None:
            counted = self._known[key] = _Counted(*key)
        counted(time.perf_counter() - started)
        return response


class _Counted:
    """The instruments of one method, route and status, looked up once."""

    __slots__ = ("_error", "_observe", "_request")

    def __init__(self, method: str, route: str, status: int) -> None:
        self._request = REQUESTS.labels(method, route, str(status)).inc
        self._observe = SECONDS.labels(route).observe
        self._error = ERRORS.labels(method, route).inc if status >= FAULT else None

    def __call__(self, spent_s: float) -> None:
        self._request()
        self._observe(spent_s)
        if self._error is not None:
            self._error()


def _unresolved(path: str) -> str:
    """Return what stands for the route of a request that Django's URLs did not see."""
    if lane.knows(path):
        return path.removeprefix("/")
    return STATIC if path.startswith(settings.STATIC_URL) else UNMATCHED
