"""``/livez``, ``/readyz``, ``/api/health`` and ``/api/metrics``.

They are answered before anything else looks at the request: a load balancer asks by address,
whatever hosts the portal serves, and no session, key or database is touched.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from monitoring import access, health
from monitoring.services import exposition
from portal.core.findings import Status
from portal.core.problems import Problem

METHODS = ("GET", "HEAD")


class ProbesMiddleware:
    """Answers probes; stands right behind the request id."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        answer = ANSWERS.get(request.path_info)
        if answer is None:
            return self.get_response(request)
        if request.method not in METHODS:
            allowed = {"Allow": ", ".join(METHODS)}
            detail = "This address takes GET and HEAD."
            return Problem(405, "method_not_allowed", detail, headers=allowed).response()
        return answer(request)


def _json(body: Mapping[str, Any], *, is_well: bool) -> HttpResponse:
    return HttpResponse(
        msgspec.json.encode(body),
        content_type="application/json",
        status=200 if is_well else 503,
        headers={"Cache-Control": "no-store"},
    )


def _live(_request: HttpRequest) -> HttpResponse:
    """Say that the process answers; it touches nothing, so that a sick part restarts no one."""
    return _json({"status": "alive"}, is_well=True)


def _ready(_request: HttpRequest) -> HttpResponse:
    """Say whether requests may be sent here."""
    missing = health.missing()
    body = {
        "status": "not ready" if missing else "ready",
        "missing": {name: finding.to_dict() for name, finding in missing.items()},
    }
    return _json(body, is_well=not missing)


def _health(_request: HttpRequest) -> HttpResponse:
    report = health.report()
    return _json(report, is_well=report["status"] != Status.UNHEALTHY)


def _metrics(request: HttpRequest) -> HttpResponse:
    """Tell everything that is counted, in Prometheus' text format."""
    if refused := access.refusal(request):
        return refused.response()
    return HttpResponse(
        exposition.text(),
        content_type=exposition.MEDIA_TYPE,
        headers={"Cache-Control": "no-store"},
    )


def _metrics_json(request: HttpRequest) -> HttpResponse:
    if refused := access.refusal(request):
        return refused.response()
    return _json(exposition.document(), is_well=True)


ANSWERS: Mapping[str, Callable[[HttpRequest], HttpResponse]] = {
    "/livez": _live,
    "/readyz": _ready,
    "/api/health": _health,
    "/api/metrics": _metrics,
    "/api/metrics/json": _metrics_json,
}
