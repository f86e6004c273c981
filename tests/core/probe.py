"""Addresses that exist for tests only: one for every way a view can answer or fail."""

import itertools
import threading
from typing import Any

import redis
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.core.api import StrictSerializer, idempotent, scope
from portal.core.api.fast import Call, fast_view
from portal.core.api.filtersets import AlertFilters
from portal.core.api.serializers import AlertSerializer
from portal.core.errors import Conflict, FieldProblem, InvalidInput, NotFound, Unavailable
from portal.core.models import Alert
from portal.core.request_context import current_request_id

FAILURES: dict[str, Exception] = {
    "bug": RuntimeError("the secret inside"),
    "database": OperationalError("connection refused"),
    "redis": redis.ConnectionError("connection refused"),
    "conflict": Conflict("Busy.", code="busy"),
    "missing": NotFound("Nothing of that name."),
    "unavailable": Unavailable("Later."),
    "denied": PermissionDenied("no"),
    "input": InvalidInput("Wrong.", problems=[FieldProblem("speed", "range", "Too fast.")]),
}
counter = itertools.count(1)
gate = threading.Event()


class Fail(APIView):
    def get(self, request: Request, how: str) -> Response:
        raise FAILURES[how]


class Nested(serializers.Serializer[Any]):
    speed = serializers.FloatField()


class Shape(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=5)
    parts = Nested(many=True)


class Echo(APIView):
    permission_classes = [scope("train")]

    def post(self, request: Request) -> Response:
        return Response({"data": request.data, "request_id": current_request_id()})


class Validate(APIView):
    def post(self, request: Request) -> Response:
        shape = Shape(data=request.data)
        shape.is_valid(raise_exception=True)
        return Response(shape.validated_data)


class Known(StrictSerializer):
    name = serializers.CharField()


class Strict(APIView):
    def post(self, request: Request) -> Response:
        Known(data=request.data).is_valid(raise_exception=True)
        return Response()


class Create(APIView):
    """Counts how often it really works; the body may ask for a failure or a wait."""

    @idempotent
    def post(self, request: Request) -> Response:
        number = next(counter)
        wanted: Any = request.data
        if wanted.get("wait"):
            gate.wait(10)
        if how := wanted.get("fail"):
            raise FAILURES[how]
        return Response({"number": number}, status=201, headers={"Location": f"/x/{number}/"})


class Upload(APIView):
    parser_classes = [MultiPartParser]

    @idempotent
    def post(self, request: Request) -> Response:
        size = len(request.FILES["file"].read())
        return Response({"number": next(counter), "size": size}, status=201)


class Rows(ListAPIView[Alert]):
    queryset = Alert.objects.all()
    serializer_class = AlertSerializer
    filterset_class = AlertFilters
    ordering_fields = ("last_at", "n_times", "key")


def plain(request: HttpRequest, how: str) -> HttpResponse:
    raise FAILURES[how]


@fast_view(scope="predict", methods=("POST", "GET"))
def fast(call: Call, **url_parts: Any) -> Any:
    if call.body and "fail" in call.body:
        raise FAILURES[call.body["fail"]]
    return {"body": call.body, "who": call.principal.name, "via": call.actor.via}


urlpatterns = [
    path("api/v1/", include("portal.core.api.urls")),
    path("api/probe/fail/<str:how>/", Fail.as_view()),
    path("api/probe/plain/<str:how>/", plain),
    path("api/probe/echo/", Echo.as_view()),
    path("api/probe/validate/", Validate.as_view()),
    path("api/probe/strict/", Strict.as_view()),
    path("api/probe/create/", Create.as_view()),
    path("api/probe/upload/", Upload.as_view()),
    path("api/probe/rows/", Rows.as_view()),
    path("api/probe/fast/", fast),
    path("page/<str:how>/", plain),
]

handler500 = "portal.core.api.middleware.server_error"
