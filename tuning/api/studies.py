"""Studies: asked for, looked at, paused, resumed, cancelled."""

from dataclasses import asdict
from typing import Any, cast
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import generics, status
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from portal.core.api import accepted, actor_of, idempotent, scope
from portal.core.errors import NotFound
from portal.core.models import Scope
from tuning import dispatch
from tuning.api.shapes import (
    NewStudySerializer,
    StartedSerializer,
    StudySerializer,
    TargetSerializer,
    TrialSerializer,
    WhySerializer,
)
from tuning.engine.contract import Target
from tuning.models import Study, Trial
from tuning.services import asking, studies, targets

FORMATS = ("html", "pdf", "md", "json")
RECORDS = ("tuning", "performance", "integration", "deployment", "realtime")
VIEW, ADD, CHANGE = "tuning.view_study", "tuning.add_study", "tuning.change_study"
ID = OpenApiParameter("id", OpenApiTypes.UUID, OpenApiParameter.PATH)
_PERMISSIONS = {"create": ADD, "pause": CHANGE, "resume": CHANGE, "cancel": CHANGE}


class StudyFilters(filters.FilterSet):  # type: ignore[misc]  # untyped library
    """Filters of studies."""

    target = filters.CharFilter()
    workload = filters.CharFilter()
    verdict = filters.ChoiceFilter(choices=Study.Verdict.choices)
    phase = filters.ChoiceFilter(choices=Study.Phase.choices)

    class Meta:
        model = Study
        fields: tuple[str, ...] = ()


class TrialFilters(filters.FilterSet):  # type: ignore[misc]  # untyped library
    """Filters of trials."""

    state = filters.ChoiceFilter(choices=Trial.State.choices)
    role = filters.ChoiceFilter(choices=Trial.Role.choices)

    class Meta:
        model = Trial
        fields: tuple[str, ...] = ()


class Studies(ListModelMixin, RetrieveModelMixin, GenericViewSet[Study]):
    """Searches for better options, each with its proof."""

    queryset = Study.objects.select_related("run", "best", "created_by")
    serializer_class = StudySerializer
    filterset_class = StudyFilters
    ordering_fields = ("created_at", "target")
    ordering = "-created_at"
    lookup_field = "pk"
    lookup_url_kwarg = "id"
    lookup_value_regex = "[0-9a-f-]{36}"

    def get_permissions(self) -> list[BasePermission]:
        needed = _PERMISSIONS.get(self.action or "")
        return [scope(Scope.TUNE if needed else Scope.READ, needed or VIEW)()]

    @extend_schema(
        summary="Tune a target",
        request=NewStudySerializer,
        responses={status.HTTP_202_ACCEPTED: StartedSerializer},
    )
    @idempotent
    def create(self, request: Request) -> Response:
        """Search for better options and prove them; a second study on a target waits."""
        form = NewStudySerializer(data=request.data)
        form.is_valid(raise_exception=True)
        study = dispatch.start(actor=actor_of(request), **form.validated_data)
        return _accepted(study)

    @extend_schema(parameters=[ID], request=None, responses=StudySerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, **url_parts: Any) -> Response:
        """Let a study rest after the trial in hand."""
        return Response(StudySerializer(studies.pause(study=self.get_object())).data)

    @extend_schema(
        parameters=[ID], request=None, responses={status.HTTP_202_ACCEPTED: StartedSerializer}
    )
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, **url_parts: Any) -> Response:
        """Go on where a study rested, was cancelled or failed."""
        study = self.get_object()
        dispatch.resume(study=study, actor=actor_of(request))
        study.refresh_from_db()
        return _accepted(study)

    @extend_schema(parameters=[ID], request=WhySerializer, responses=StudySerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, **url_parts: Any) -> Response:
        """Stop a study now; what was measured stays."""
        form = WhySerializer(data=request.data)
        form.is_valid(raise_exception=True)
        study = self.get_object()
        dispatch.cancel(study=study, actor=actor_of(request), **form.validated_data)
        return Response(StudySerializer(study).data)


def _accepted(study: Study) -> Response:
    assert study.run is not None  # noqa: S101 - dispatch has just written it
    return accepted(study.run, StartedSerializer(study.run).data)


class Trials(generics.ListAPIView[Trial]):
    """The trials of a study."""

    queryset = Trial.objects.none()
    serializer_class = TrialSerializer
    filterset_class = TrialFilters
    permission_classes = [scope(Scope.READ, "tuning.view_trial")]
    ordering_fields = ("number", "score")
    ordering = "number"

    def get_queryset(self) -> QuerySet[Trial]:
        if getattr(self, "swagger_fake_view", False):
            return Trial.objects.none()
        return study_of(cast(UUID, self.kwargs["id"])).trials.all()

    @extend_schema(summary="List the trials of a study", parameters=[ID])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.list(request, *args, **kwargs)


def study_of(key: UUID) -> Study:
    """Return a study, or raise :class:`NotFound`."""
    found = Study.objects.select_related("run", "best").filter(pk=key).first()
    if found is None:
        raise NotFound(_("There is no study %(id)s.") % {"id": key})
    return found


class Report(APIView):
    """The report of a study."""

    permission_classes = [scope(Scope.READ, VIEW)]

    @extend_schema(
        summary="Fetch the report of a study",
        parameters=[
            ID,
            OpenApiParameter("format", enum=list(FORMATS), description="By default html."),
        ],
        responses={
            (200, "text/html"): OpenApiResponse(OpenApiTypes.STR, "The report."),
            (200, "application/pdf"): OpenApiResponse(OpenApiTypes.BINARY, "On paper."),
            (200, "text/markdown"): OpenApiResponse(OpenApiTypes.STR, "As text."),
            (200, "application/json"): OpenApiResponse(OpenApiTypes.OBJECT, "As data."),
        },
    )
    def get(self, request: Request, id: UUID) -> HttpResponse:
        from tuning.services import reports  # noqa: PLC0415 - what draws it is large

        form = _format(request)
        content, content_type = reports.render(study_of(id), form)
        name = f'attachment; filename="study-{id}.{form}"'
        return HttpResponse(content, content_type, headers={"Content-Disposition": name})


class Record(APIView):
    """One of the JSON documents of a study."""

    permission_classes = [scope(Scope.READ, VIEW)]

    @extend_schema(
        summary="Fetch a JSON document of a study",
        description=(
            "tuning: what was asked and every trial; performance: what was proved and at which "
            "price; integration: whether the parts worked together; deployment: what became of "
            "the candidate; realtime: what its trials showed second by second."
        ),
        parameters=[
            ID,
            OpenApiParameter("kind", location=OpenApiParameter.PATH, enum=list(RECORDS)),
        ],
        responses={200: OpenApiTypes.OBJECT},
    )
    def get(self, request: Request, id: UUID, kind: str) -> Response:
        from tuning.services import records  # noqa: PLC0415 - registry and forms behind it

        return Response(records.document(study_of(id), kind))


def _format(request: Request) -> str:
    for seen in request.query_params:
        if seen != "format":
            raise asking.problem(
                seen[:60],
                "unknown",
                _("There is no such field; known are: %s.") % "format",
            )
    form = request.query_params.get("format", "html")
    if form not in FORMATS:
        raise asking.problem(
            "format",
            "unknown_choice",
            _("“%(seen)s” is not known here: choose from %(known)s.")
            % {"seen": form[:60], "known": ", ".join(FORMATS)},
        )
    return form


class Targets(APIView):
    """What can be tuned."""

    permission_classes = [scope(Scope.READ, VIEW)]

    @extend_schema(summary="List what can be tuned", responses=TargetSerializer(many=True))
    def get(self, request: Request) -> Response:
        return Response(
            TargetSerializer([_shown(one) for one in targets.offered()], many=True).data
        )


def _shown(target: Target) -> dict[str, Any]:
    return {
        "name": target.name,
        "title": _(target.title),
        "options": [asdict(one) | {"help": _(one.help)} for one in target.options()],
        "workloads": [{"name": one.name, "help": _(one.help)} for one in target.workloads()],
        "metrics": [asdict(one) | {"title": _(one.title)} for one in target.metrics()],
    }
