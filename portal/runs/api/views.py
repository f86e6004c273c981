"""Runs, artifacts and schedules."""

import re
from typing import Any

from django.db.models import QuerySet
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from portal.core import scopes
from portal.core.api import CursorPage, accepted, actor_of, idempotent, scope
from portal.core.api.authentication import principal_of
from portal.core.errors import FieldProblem, InvalidInput, NotFound
from portal.core.models import Scope
from portal.runs import artifacts, kinds, selectors, services
from portal.runs.api import streams
from portal.runs.api.filtersets import RunFilters, ScheduleFilters
from portal.runs.api.serializers import (
    CancelSerializer,
    DismissSerializer,
    RunArtifactSerializer,
    RunArtifactsSerializer,
    RunSerializer,
    RunSummarySerializer,
    ScheduleChangeSerializer,
    ScheduleSerializer,
    ScheduleSlotSerializer,
    SelftestSerializer,
)
from portal.runs.models import Artifact, Run, Schedule, ScheduleSlot
from portal.runs.services import schedules
from portal.runs.tasks.selftest import KIND as SELFTEST

FILE_NAME = re.compile(r"\w[\w .-]{0,199}")


class OneRenderer(BaseContentNegotiation):
    """Answer in the one form there is, whatever the caller would accept."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return next((parser for parser in parsers if parser.media_type == _plain(request)), None)

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


def _plain(request: Request) -> str:
    return (request.content_type or "").partition(";")[0]


def _require_kind_scope(request: Request, run: Run) -> None:
    """Ask of a key the scope that starts such runs; what a person may do, the service decides."""
    principal = principal_of(request)
    if principal is not None and principal.is_key:
        scopes.check(principal, _scope_of(run.kind))


def _scope_of(kind: str) -> str:
    try:
        return kinds.get(kind).scope
    except NotFound:
        return Scope.ADMIN


class Runs(ListModelMixin, RetrieveModelMixin, GenericViewSet[Run]):
    """Runs, newest first."""

    queryset = Run.objects.select_related("started_by")
    serializer_class = RunSerializer
    filterset_class = RunFilters
    ordering_fields = ("created_at",)

    def get_serializer_class(self) -> type[RunSummarySerializer]:
        return RunSummarySerializer if self.action == "list" else RunSerializer

    def get_permissions(self) -> list[BasePermission]:
        if self.action in {"cancel", "retry", "dismiss"}:
            return [IsAuthenticated()]
        if self.action == "selftest":
            return [scope(Scope.ADMIN, "runs.retry_run")()]
        return [scope(Scope.READ, "runs.view_run")()]

    @extend_schema(request=CancelSerializer, responses={200: RunSerializer})
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, **url_parts: Any) -> Response:
        """Cancel a queued run at once, or ask a running one to stop.

        Asking again changes nothing. A run that does not stop by itself is killed after the grace
        period.
        """
        run = self.get_object()
        _require_kind_scope(request, run)
        wanted = CancelSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        run = services.cancel(run_id=run.pk, actor=actor_of(request), **wanted.validated_data)
        return Response(RunSerializer(run).data)

    @extend_schema(request=SelftestSerializer, responses={202: RunSerializer})
    @action(detail=False, methods=["post"])
    @idempotent
    def selftest(self, request: Request) -> Response:
        """Start a run that proves a queue, its workers and the artifact storage."""
        wanted = SelftestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        parameters = dict(wanted.validated_data)
        queue = parameters.pop("queue")
        run = services.enqueue(
            kind=SELFTEST, actor=actor_of(request), parameters=parameters, queue=queue
        )
        return accepted(run, RunSerializer(run).data)

    @extend_schema(request=None, responses={202: RunSerializer})
    @action(detail=True, methods=["post"])
    @idempotent
    def retry(self, request: Request, **url_parts: Any) -> Response:
        """Start a failed, errored or cancelled run again, as a new run with the same parameters."""
        run = self.get_object()
        _require_kind_scope(request, run)
        new = services.retry(run_id=run.pk, actor=actor_of(request))
        return accepted(new, RunSerializer(new).data)

    @extend_schema(request=DismissSerializer, responses={200: RunSerializer})
    @action(detail=True, methods=["post"])
    def dismiss(self, request: Request, **url_parts: Any) -> Response:
        """Say why nothing more is to be done about a dead letter; its alert ends."""
        run = self.get_object()
        _require_kind_scope(request, run)
        wanted = DismissSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        run = services.dismiss(run_id=run.pk, actor=actor_of(request), **wanted.validated_data)
        return Response(RunSerializer(run).data)

    @extend_schema(
        parameters=[
            OpenApiParameter(
                "Last-Event-ID",
                OpenApiTypes.INT64,
                OpenApiParameter.HEADER,
                description="The number of the last event seen; the stream goes on after it.",
            ),
            OpenApiParameter(
                "after",
                OpenApiTypes.INT64,
                description="The same, for clients that set no headers.",
            ),
        ],
        responses={
            (200, streams.MEDIA_TYPE): OpenApiTypes.STR,
            204: None,
        },
    )
    @action(detail=True, content_negotiation_class=OneRenderer)
    def events(self, request: Request, **url_parts: Any) -> HttpResponseBase:
        """Follow a run's events live.

        Each message carries the event's number, its type as the event name (`state`, `progress`,
        `log`, `metric`) and the event as JSON. The message `end` follows the last event of a run
        that is over. A process that serves as many streams as it may answers 503.
        """
        run = self.get_object()
        after = _last_seen(request)
        if after and selectors.feed(run.pk, after, most=1).is_over:
            return HttpResponse(status=status.HTTP_204_NO_CONTENT)  # keeps a browser from returning
        body = streams.EventStream(run.pk, after, streams.budget().take())
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingHttpResponse(body, content_type=streams.MEDIA_TYPE, headers=headers)

    @extend_schema(responses=RunArtifactsSerializer)
    @action(detail=True)
    def artifacts(self, request: Request, **url_parts: Any) -> Response:
        """List what a run produced."""
        kept = self.get_object().run_artifacts.select_related("artifact").order_by("name")
        return Response({"results": RunArtifactSerializer(kept, many=True).data})


def _last_seen(request: Request) -> int:
    given = request.headers.get("Last-Event-ID") or request.query_params.get("after") or "0"
    if given.isascii() and given.isdigit() and len(given) <= 18:
        return int(given)
    message = _("The last event seen is “%(seen)s”; give the whole number of an event.") % {
        "seen": given[:40]
    }
    raise InvalidInput(message, problems=[FieldProblem("after", "invalid", message)])


class ArtifactContent(APIView):
    """The content of an artifact."""

    permission_classes = (scope(Scope.READ, "runs.view_artifact"),)
    content_negotiation_class = OneRenderer

    @extend_schema(
        parameters=[OpenApiParameter("name", description="What to call the file.")],
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY, 304: None},
    )
    def get(self, request: Request, sha256: str) -> HttpResponseBase:
        """Fetch an artifact's content, verified against its digest while it is read."""
        tag = f'"{sha256}"'
        artifact = artifacts.find(sha256)
        headers = {
            "ETag": tag,
            "Cache-Control": "private, max-age=31536000, immutable",
            # Whatever it holds, a browser shall neither guess nor run it.
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; sandbox",
        }
        if request.headers.get("If-None-Match") == tag:
            return HttpResponse(status=status.HTTP_304_NOT_MODIFIED, headers=headers)
        with artifacts.open_verified(sha256) as path:
            stream = path.open("rb")  # stays readable when the copy is removed
        return FileResponse(
            stream,
            as_attachment=True,
            filename=_file_name(request, artifact),
            content_type=artifact.media_type,
            headers=headers,
        )


def _file_name(request: Request, artifact: Artifact) -> str:
    wanted = request.query_params.get("name", "")
    own = f"{artifact.pk[:12]}{artifacts.extension_of(artifact)}"
    return wanted if FILE_NAME.fullmatch(wanted) else own


class Schedules(ListModelMixin, RetrieveModelMixin, GenericViewSet[Schedule]):
    """Schedules, by name."""

    queryset = Schedule.objects.select_related("periodic_task__crontab", "periodic_task__interval")
    serializer_class = ScheduleSerializer
    filterset_class = ScheduleFilters
    ordering_fields = ("name",)
    ordering = "name"

    def get_permissions(self) -> list[BasePermission]:
        if self.action in {"partial_update", "run"}:
            return [scope(Scope.ADMIN, schedules.PERMISSION)()]
        return [scope(Scope.READ, "runs.view_schedule")()]

    @extend_schema(request=ScheduleChangeSerializer, responses={200: ScheduleSerializer})
    def partial_update(self, request: Request, **url_parts: Any) -> Response:
        """Change or switch a schedule; the product never overwrites what is changed here."""
        wanted = ScheduleChangeSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        schedule = schedules.change(
            schedule_id=self.get_object().pk,
            actor=actor_of(request),
            change=schedules.Change(**wanted.validated_data),
        )
        return Response(ScheduleSerializer(schedule).data)

    @extend_schema(request=None, responses={202: RunSerializer})
    @action(detail=True, methods=["post"])
    @idempotent
    def run(self, request: Request, **url_parts: Any) -> Response:
        """Start now what the schedule starts."""
        run = schedules.run_now(schedule_id=self.get_object().pk, actor=actor_of(request))
        return accepted(run, RunSerializer(run).data)

    @extend_schema(responses=ScheduleSlotSerializer(many=True))
    @action(detail=True, filterset_class=None, pagination_class=CursorPage)
    def slots(self, request: Request, **url_parts: Any) -> Response:
        """List what became of the due times, the latest first."""
        rows: QuerySet[ScheduleSlot] = self.get_object().slots.order_by("-due_at")
        page = CursorPage()
        self.ordering_fields, self.ordering = ("due_at",), "-due_at"
        found = page.paginate_queryset(rows, request, self)
        return page.get_paginated_response(list(ScheduleSlotSerializer(found, many=True).data))
