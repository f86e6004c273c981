"""The id of the request being answered: in the answer, the logs and on what the request starts."""

import re
import uuid
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import structlog
from django.core.signals import request_finished
from django.http import HttpRequest
from django.http.response import HttpResponseBase

HEADER = "X-Request-ID"
META_NAME = "HTTP_X_REQUEST_ID"  # request.headers would spell every header of the request anew
WELL_FORMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

_request_id: ContextVar[str] = ContextVar("request_id", default="")


def current_request_id() -> str:
    """Return the id of the request being answered, empty outside of one."""
    return _request_id.get()


def new_request_id() -> str:
    """Return a fresh id."""
    return uuid.uuid4().hex


class RequestContextMiddleware:
    """Give every request an id, the caller's own when it is well formed; first in MIDDLEWARE.

    The id stays until the answer is sent: Django logs refusals after the last middleware, and a
    streamed answer is made after it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.META.get(META_NAME, "")
        request_id = given if WELL_FORMED.fullmatch(given) else new_request_id()
        _request_id.set(request_id)
        structlog.contextvars.bind_contextvars(request_id=request_id)
        response = self.get_response(request)
        response.headers[HEADER] = request_id
        return response


def _forget(**_about: Any) -> None:
    _request_id.set("")
    structlog.contextvars.unbind_contextvars("request_id")


request_finished.connect(_forget, dispatch_uid="forget-request-id")
