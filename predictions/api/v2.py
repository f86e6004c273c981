"""The open inference protocol v2 for clients that speak it (KServe, Triton and others).

Its answers, errors included, have the protocol's own form: ``{"error": "…"}`` with 400 where the
rest of the API says 422. Keys, limits, rules and records are those of every other prediction.
"""

from functools import partial
from typing import Any

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import path, re_path
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import ParseError, UnsupportedMediaType

from portal.core.api import lane
from portal.core.api.exceptions import problem_of
from portal.core.api.fast import Call, fast_view
from portal.core.api.parsers import parse
from portal.core.errors import FieldProblem, NotFound
from portal.core.problems import Problem
from portal.lib.hashing import sha256_bytes
from predictions.api import shapes
from predictions.api.once import HEADER_LENGTH, once
from predictions.services import inference, tensors
from predictions.services.answering import Caller
from predictions.services.tensors import InferenceAnswer, InferenceRequest

JSON = "application/json"
OCTETS = "application/octet-stream"
HEADER_META = "HTTP_INFERENCE_HEADER_CONTENT_LENGTH"
EXTENSIONS = ("binary_tensor_data",)
#: Longer errors say no more.
MOST_NAMED = 10
ERRORS = {"default": shapes.InferenceErrorSerializer}

Body = tuple[Any, bytes]
_on_lane: set[str] = set()


def refused(problem: Problem) -> HttpResponse:
    """Return a problem in the protocol's form."""
    ordinary = problem.response()
    status = 400 if problem.status == 422 else problem.status
    response = _json({"error": _said(problem)}, status=status)
    for name in ("WWW-Authenticate", "Retry-After", "Allow"):
        if name in ordinary.headers:
            response.headers[name] = ordinary.headers[name]
    return response


def _said(problem: Problem) -> str:
    """Return one text: what is wrong, then each field."""
    listed = [_of_field(item) for item in problem.errors if str(item.message) != problem.detail]
    return " ".join([problem.detail, *listed[:MOST_NAMED]])


def _of_field(item: FieldProblem) -> str:
    return f"{item.field}: {item.message}"


def _json(body: Any, status: int = 200) -> HttpResponse:
    return HttpResponse(
        msgspec.json.encode(body),
        content_type=JSON,
        status=status,
        headers={"Cache-Control": "no-store"},
    )


# --- Health: no key -------------------------------------------------------------------------------
def live(request: HttpRequest) -> HttpResponse:
    """Say that the process answers."""
    return _only_get(request) or _json({"live": True})


def ready(request: HttpRequest) -> HttpResponse:
    """Say whether every model that this process serves would answer."""
    if (wrong := _only_get(request)) is not None:
        return wrong
    waiting = [
        name
        for adapter in inference.adapters()
        for name in adapter.served()
        if not adapter.is_ready(name, None)
    ]
    if not waiting:
        return _json({"live": True, "ready": True})
    said = _("Not ready, because no version answers: %(names)s.") % {"names": ", ".join(waiting)}
    return _json({"live": True, "ready": False, "error": said}, status=503)


def _only_get(request: HttpRequest) -> HttpResponse | None:
    if request.method in {"GET", "HEAD"}:
        return None
    said = _("This address takes %(methods)s.") % {"methods": "GET"}
    return refused(Problem(405, "method_not_allowed", said, headers={"Allow": "GET"}))


@csrf_exempt
def nothing(request: HttpRequest) -> HttpResponse:
    """Answer for every other address below the protocol's."""
    said = _("Nothing is at this address; see GET /v2 and /v2/models/{name}.")
    return refused(problem_of(NotFound(said)))


# --- Models ---------------------------------------------------------------------------------------
@fast_view(
    scope="predict",
    methods=("GET",),
    refused=refused,
    documented={
        "summary": "Describe the server (open inference protocol v2)",
        "responses": {200: shapes.InferenceServerSerializer, **ERRORS},
        "tags": ["v2"],
    },
)
def server(call: Call) -> Any:
    """Describe the server."""
    return _json({"name": "millwright", "version": settings.VERSION, "extensions": EXTENSIONS})


@fast_view(
    scope="predict",
    methods=("GET",),
    refused=refused,
    documented={
        "summary": "Describe a model (open inference protocol v2)",
        "responses": {200: shapes.InferenceModelSerializer, **ERRORS},
        "tags": ["v2"],
    },
)
def model(call: Call, name: str, number: str | None = None) -> Any:
    """Describe a model: its tensors, and in which order features stand."""
    said = inference.adapter_of(name).describe(name, _number(number))
    return _json(
        {
            "name": name,
            "versions": [str(one) for one in said.versions],
            "platform": said.platform,
            "inputs": [kind.to_dict() for kind in said.inputs],
            "outputs": [kind.to_dict() for kind in said.outputs],
            "parameters": said.parameters,
        }
    )


@fast_view(
    scope="predict",
    methods=("GET",),
    refused=refused,
    documented={
        "summary": "Ask whether a model is ready (open inference protocol v2)",
        "responses": {
            200: shapes.InferenceReadySerializer,
            503: shapes.InferenceReadySerializer,
            **ERRORS,
        },
        "tags": ["v2"],
    },
)
def model_ready(call: Call, name: str, number: str | None = None) -> Any:
    """Say whether a version of a model would answer now."""
    is_ready = inference.adapter_of(name).is_ready(name, _number(number))
    return _json({"name": name, "ready": is_ready}, status=200 if is_ready else 503)


def _number(text: str | None) -> int | None:
    if text is None:
        return None
    if text.isascii() and text.isdigit() and len(text) < 10:
        return int(text)
    message = _("There is no version “%(seen)s”: versions are whole numbers.")
    raise NotFound(message % {"seen": text[:40]})


# --- Inference ------------------------------------------------------------------------------------
def _body(request: HttpRequest) -> Body:
    """Return the JSON of a request and the bytes behind it."""
    media_type = request.META.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if media_type not in {"", JSON, OCTETS}:
        raise UnsupportedMediaType(media_type)
    coding = request.META.get("HTTP_CONTENT_ENCODING", "identity").strip().lower()
    if coding != "identity":
        raise UnsupportedMediaType(
            coding, _("The body is coded as %(seen)s: send it plain.") % {"seen": coding[:40]}
        )
    raw = request.body
    length = request.META.get(HEADER_META)
    if length is None:
        return parse(raw), b""
    if not (length.isascii() and length.isdigit() and int(length[:18]) <= len(raw)):
        message = _("%(header)s is “%(seen)s”: give a number up to the length of the body.")
        raise ParseError(message % {"header": HEADER_LENGTH, "seen": length[:40]})
    end = int(length)
    return parse(raw[:end]), raw[end:]


@fast_view(
    scope="predict",
    body=_body,
    refused=refused,
    documented={
        "summary": "Predict (open inference protocol v2)",
        "description": "Takes one tensor “features” of shape [n, 30], or one tensor for each "
        "feature; up to 10,000 rows. Rules and records are those of every other prediction.",
        "parameters": [
            shapes.ONCE,
            OpenApiParameter(
                HEADER_LENGTH,
                int,
                OpenApiParameter.HEADER,
                description="Length of the JSON when tensors follow it as bytes.",
            ),
        ],
        "request": shapes.InferenceRequestSerializer,
        "responses": {200: shapes.InferenceAnswerSerializer, **ERRORS},
        "tags": ["v2"],
    },
)
def infer(call: Call, name: str, number: str | None = None) -> Any:
    """Answer tensors by tensors."""
    body, blob = call.body
    version = _number(number)

    def work(caller: Caller) -> HttpResponse:
        request = tensors.read_request(body, blob)
        answer = inference.adapter_of(name).infer(name, version, request, caller)
        return _answered(request, answer)

    response = once(call, lambda: {"json": body, "bytes": sha256_bytes(blob)}, work, refused)
    address = call.request.path_info
    if response.status_code == 200 and address not in _on_lane:
        # No more addresses answer so than there are live versions.
        _on_lane.add(address)
        lane.learn(address, partial(infer, name=name, number=number))
    return response


def _answered(request: InferenceRequest, answer: InferenceAnswer) -> HttpResponse:
    body: dict[str, Any] = {
        "model_name": answer.model_name,
        "model_version": str(answer.model_version),
        "parameters": answer.parameters,
    }
    if request.id is not None:
        body["id"] = request.id
    heads, blobs = [], []
    for output, is_binary in tensors.chosen(request, answer.outputs):
        if not is_binary:
            heads.append(output.to_dict())
            continue
        head, blob = output.to_bytes()
        heads.append(head)
        blobs.append(blob)
    body["outputs"] = heads
    if not blobs:
        return _json(body)
    head_bytes = msgspec.json.encode(body)
    return HttpResponse(
        b"".join([head_bytes, *blobs]),
        content_type=OCTETS,
        headers={HEADER_LENGTH: str(len(head_bytes)), "Cache-Control": "no-store"},
    )


MODEL = "v2/models/<str:name>"
VERSION = f"{MODEL}/versions/<str:number>"

urlpatterns = [
    path("v2", server, name="v2-server"),
    path("v2/health/live", live, name="v2-live"),
    path("v2/health/ready", ready, name="v2-ready"),
    path(MODEL, model, name="v2-model"),
    path(f"{MODEL}/ready", model_ready, name="v2-model-ready"),
    path(f"{MODEL}/infer", infer, name="v2-infer"),
    path(VERSION, model, name="v2-version"),
    path(f"{VERSION}/ready", model_ready, name="v2-version-ready"),
    path(f"{VERSION}/infer", infer, name="v2-version-infer"),
    re_path(r"^v2/", nothing),
]
