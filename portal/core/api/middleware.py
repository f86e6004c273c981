"""Everything under the API's addresses answers in the API's manner, whoever answers it."""

import sys
from collections.abc import Callable
from datetime import UTC
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views import csrf, defaults

from portal.core.api.exceptions import problem_of, unknown
from portal.core.errors import FULL_ERRNOS, OutOfSpace
from portal.core.problems import Problem

PREFIXES = ("/api/", "/v2/")
# What Django itself answers with; views answer with a media type of their own.
PAGES = {"", "text/html", "text/plain"}
SAFE = {"GET", "HEAD", "OPTIONS"}
KEPT_HEADERS = ("Allow", "Retry-After", "WWW-Authenticate", "Location", "Vary", "Content-Language")


def is_api(request: HttpRequest) -> bool:
    """Whether a program is expected behind this address."""
    return request.path_info.startswith(PREFIXES)


class ApiMiddleware:
    """Times in UTC, English unless asked otherwise, and problem details for what Django refuses."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not is_api(request):
            return self.get_response(request)
        request.META.setdefault("HTTP_ACCEPT_LANGUAGE", "en")
        with timezone.override(UTC):
            response = self.get_response(request)
        if response.status_code == HTTPStatus.MOVED_PERMANENTLY and request.method not in SAFE:
            # Following it, most clients would lose the body.
            return Problem(404, "not_found", _("Addresses end in a slash.")).response()
        if response.status_code >= 400:
            return _as_problem(response)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    def process_exception(self, request: HttpRequest, exc: Exception) -> HttpResponse | None:
        """Answer for views outside Django REST framework."""
        return problem_of(exc).response() if is_api(request) else None


def _as_problem(response: HttpResponseBase) -> HttpResponseBase:
    media_type = response.headers.get("Content-Type", "").partition(";")[0]
    if media_type not in PAGES:
        return response
    problem = _by_status(response.status_code).response()
    for name in KEPT_HEADERS:
        if name in response.headers:
            problem.headers[name] = response.headers[name]
    problem.cookies = response.cookies
    return problem


def _by_status(status: int) -> Problem:
    said = {
        400: ("bad_request", _("The request is malformed.")),
        403: ("refused", _("This is not allowed.")),
        404: ("not_found", _("Nothing is at this address.")),
        405: ("method_not_allowed", _("This address does not take that method.")),
        413: ("body_too_large", _("The body is larger than the portal takes.")),
    }
    if status in said:
        code, detail = said[status]
        return Problem(status, code, detail)
    if status >= 500:
        return unknown()
    return Problem(status, "refused", _("The request was refused."))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer to a call or form without a good CSRF token (setting CSRF_FAILURE_VIEW)."""
    if not is_api(request):
        return csrf.csrf_failure(request, reason)
    return Problem(403, "csrf_failed", reason).response()


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer to an exception outside any view (handler500)."""
    exc = sys.exc_info()[1]
    if is_api(request):
        return (unknown() if exc is None else problem_of(exc)).response()
    if isinstance(exc, OSError) and exc.errno in FULL_ERRNOS:
        return TemplateResponse(request, "507.html", status=OutOfSpace.status).render()
    return defaults.server_error(request)
