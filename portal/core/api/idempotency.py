"""Idempotency-Key for the views of Django REST framework."""

import functools
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils.datastructures import MultiValueDict
from rest_framework.request import Request

from portal.core import idempotency
from portal.core.api.authentication import principal_of
from portal.core.idempotency import HEADER, KEPT_HEADERS, REPLAYED_HEADER, Answer
from portal.lib.hashing import sha256_stream

if TYPE_CHECKING:
    # Importing it here would be a circle: its settings name this package.
    from rest_framework.views import APIView

Method = TypeVar("Method", bound=Callable[..., HttpResponseBase])


def idempotent(method: Method) -> Method:
    """Make a view method that creates something answer a repetition with its first answer.

    It goes on ``post`` or a viewset's action, nearest to the function. The body may be JSON or
    multipart. Decorators that follow it may look for its attribute ``is_idempotent``.
    """
    repeatable: Method = _repeatable(method, ())
    return repeatable


def idempotent_but(*once: str) -> Callable[[Method], Method]:
    """Return :func:`idempotent` for answers that hold a secret.

    Parameters
    ----------
    once
        Names in the answer's body that are shown the first time and null afterwards: a secret must
        not lie in the record.
    """
    return functools.partial(_repeatable, once=once)


def _repeatable(method: Any, once: tuple[str, ...]) -> Any:
    @functools.wraps(method)
    def wrapper(view: "APIView", request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        key = request.headers.get(HEADER)
        principal = principal_of(request)
        if key is None or principal is None:
            answer: HttpResponseBase = method(view, request, *args, **kwargs)
            return answer
        begun = idempotency.begin(principal.name, key, _essence(request))
        if isinstance(begun, Answer):
            return replay(begun)
        try:
            response = _finished(method, view, request, *args, **kwargs)
            begun.finish(_kept(response, once))
        except BaseException:
            begun.free()
            raise
        return response

    wrapper.is_idempotent = True  # type: ignore[attr-defined]  # the schema looks for it
    return wrapper


def replay(answer: Answer) -> HttpResponse:
    """Return an answer that was kept."""
    headers = {**answer.headers, REPLAYED_HEADER: "true"}
    return HttpResponse(answer.body, status=answer.status, headers=headers)


def _finished(
    method: Callable[..., HttpResponseBase],
    view: "APIView",
    request: Request,
    *args: Any,
    **kwargs: Any,
) -> HttpResponse:
    """Return the rendered answer, whether the method returned it or raised."""
    response: Any
    try:
        response = method(view, request, *args, **kwargs)
    except Exception as exc:  # noqa: BLE001 - the API's handler answers for each
        response = view.handle_exception(exc)
    response = view.finalize_response(request, response, *args, **kwargs)
    if not isinstance(response, HttpResponse):
        raise TypeError("A streamed answer cannot be kept: take @idempotent off this method.")
    render = getattr(response, "render", None)
    return render() if render else response


def _kept(response: HttpResponse, once: tuple[str, ...]) -> Answer:
    headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
    body = response.content
    if once and response.status_code < 400:
        shown = json.loads(body)
        body = json.dumps(shown | {name: None for name in once if name in shown}).encode()
    return Answer(response.status_code, headers, body)


def _essence(request: Request) -> dict[str, Any]:
    """Return what makes the request this one, whatever the boundary of its multipart body."""
    return {
        "method": request.method,
        "path": request.get_full_path(),
        "data": _plain(request.data),
        "files": {name: [_file(item) for item in items] for name, items in _files(request)},
    }


def _files(request: Request) -> Any:
    return request.FILES.lists() if request.FILES else ()


def _file(upload: UploadedFile[Any]) -> list[Any]:
    upload.seek(0)
    digest = sha256_stream(upload)  # type: ignore[arg-type]  # reads like a binary file
    upload.seek(0)
    return [upload.name, upload.content_type, digest]


def _plain(data: Any) -> Any:
    if isinstance(data, MultiValueDict):
        return {
            name: [item for item in items if not isinstance(item, UploadedFile)]
            for name, items in data.lists()
        }
    return data
