"""A short way past Django for programs that call a light view with a key.

Django's handler, sessions, cookies, CSRF, forms and the search for files and views cost a call more
than its prediction does. A call with a key needs none of them: the lane stands before Django, runs
the middleware that every answer needs (``OUTER_MIDDLEWARE``) and calls the view. Ids, limits,
problems and security headers are those of every other call; everything else goes to Django.
"""

import functools
import logging
from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import translation
from django.utils.module_loading import import_string

LANGUAGE = "en"

logger = logging.getLogger(__name__)

LightView = Callable[[HttpRequest], HttpResponse]
Handler = Callable[[HttpRequest], HttpResponseBase]
Application = Callable[[dict[str, Any], Any], Iterable[bytes]]

_views: dict[str, LightView] = {}


def learn(address: str, view: LightView) -> None:
    """Note where a light view lies; Django found it there on its first call."""
    _views[address] = view


def knows(address: str) -> bool:
    """Whether a light view lies at an address."""
    return address in _views


def before(application: Application) -> Application:
    """Return an application that answers on the lane what it can, and else asks Django's."""

    def lane(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        view = _views.get(environ["PATH_INFO"])
        if view is None or "HTTP_AUTHORIZATION" not in environ:
            return application(environ, start_response)
        close_old_connections()
        response = _handler(view)(WSGIRequest(environ))
        start_response(f"{response.status_code} {response.reason_phrase}", _headers(response))
        return [response.content]  # type: ignore[attr-defined]  # light views do not stream

    return lane


@functools.cache
def _handler(view: LightView) -> Handler:
    """Return a view within the outer middleware, as Django itself would put it there."""

    def inner(request: HttpRequest) -> HttpResponseBase:
        # As LocaleMiddleware does: nothing reads the language before the next request sets it.
        translation.activate(_language(request))
        return view(request)

    handler: Handler = inner
    for name in reversed(settings.OUTER_MIDDLEWARE):
        handler = import_string(name)(handler)
    return handler


def _language(request: HttpRequest) -> str:
    if "HTTP_ACCEPT_LANGUAGE" not in request.META:
        return LANGUAGE
    return translation.get_language_from_request(request)


def _headers(response: HttpResponseBase) -> list[tuple[str, str]]:
    headers = list(response.items())
    headers.append(("Content-Length", str(len(response.content))))  # type: ignore[attr-defined]  # as above
    return headers
