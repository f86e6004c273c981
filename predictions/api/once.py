"""What the light views of this app have in common: Idempotency-Key and ``?record=``."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _

from portal.core import idempotency
from portal.core.api.exceptions import problem_of
from portal.core.api.fast import Call
from portal.core.api.idempotency import replay
from portal.core.errors import PortalError
from portal.core.idempotency import Answer, Claim
from portal.core.problems import Problem
from portal.core.request_context import current_request_id
from predictions.api.queries import wrong
from predictions.services.answering import Caller, Named

META_NAME = "HTTP_IDEMPOTENCY_KEY"
Work = Callable[[Caller], HttpResponse]
#: Of an answer in bytes: where its JSON ends.
HEADER_LENGTH = "Inference-Header-Content-Length"
FLAGS = {"true": True, "1": True, "false": False, "0": False}
KEPT_HEADERS = ("Content-Type", HEADER_LENGTH)


def is_recorded(call: Call) -> bool:
    """Return what ``?record=`` says; without it an answer is recorded.

    Raises
    ------
    InvalidInput
        When it says neither true nor false.
    """
    if not call.request.META.get("QUERY_STRING"):
        return True
    given = call.request.GET.get("record", "true").lower()
    if given not in FLAGS:
        message = _("“record” is “%(seen)s”: use true or false.") % {"seen": given[:40]}
        raise wrong("record", message)
    return FLAGS[given]


def once(
    call: Call,
    essence: Callable[[], Any],
    work: Work,
    refused: Callable[[Problem], HttpResponse] = Problem.response,
) -> HttpResponse:
    """Do the work, or give the first answer again to a request that repeats its Idempotency-Key.

    Parameters
    ----------
    call
        The request.
    essence
        Returns what was sent, as JSON.
    work
        Makes the answer for a caller.
    refused
        Makes the answer to a problem.
    """
    caller = Caller(call.principal.name, current_request_id())
    key = call.request.META.get(META_NAME)
    if key is None:
        return work(caller)
    request = {"method": "POST", "path": call.request.get_full_path(), "data": essence()}
    begun = idempotency.begin(caller.principal, key, request)
    if isinstance(begun, Answer):
        return replay(begun)
    named = Named(key, begun.since.timestamp(), is_second=begun.is_second)
    return _first(begun, lambda: work(replace(caller, named=named)), refused)


def _first(
    begun: Claim, work: Callable[[], HttpResponse], refused: Callable[[Problem], HttpResponse]
) -> HttpResponse:
    try:
        response = _finished(work, refused)
    except BaseException:
        begun.free()
        raise
    kept = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
    begun.finish(Answer(response.status_code, kept, response.content))
    return response


def _finished(
    work: Callable[[], HttpResponse], refused: Callable[[Problem], HttpResponse]
) -> HttpResponse:
    try:
        return work()
    except PortalError as exc:
        return refused(problem_of(exc))
