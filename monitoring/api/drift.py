"""Drift over HTTP: how a model stands, what happened, and what people decide about it."""

from datetime import timedelta
from typing import Any, cast

from django.utils.translation import gettext as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from monitoring.api import shapes
from monitoring.models import DriftEvent, RetrainingProposal
from monitoring.selectors import drift as selectors
from monitoring.services.drift import events, policies, proposals, resets
from portal.core.api import StrictSerializer, accepted, actor_of, idempotent, scope
from portal.core.models import Scope
from portal.lib import clock
from portal.runs.api.serializers import RunSerializer

READ = scope(Scope.READ, "monitoring.view_driftwindow")
# Whoever may look may try; what an account may do the services decide, and record when they refuse.
ACT = scope(Scope.ADMIN, "monitoring.view_driftwindow")


def given(kind: type[StrictSerializer], data: Any) -> dict[str, Any]:
    """Return a body or a query as the serializer checked it."""
    wanted = kind(data=data)
    wanted.is_valid(raise_exception=True)
    return cast("dict[str, Any]", wanted.validated_data)


class DriftStatus(APIView):
    """How a live model stands."""

    permission_classes = [READ]

    @extend_schema(
        operation_id="drift_status",
        summary="How far a live model's predictions have moved",
        parameters=[shapes.DriftStatusQuestionSerializer],
        responses=shapes.DriftStatusSerializer,
    )
    def get(self, request: Request) -> Response:
        asked = given(shapes.DriftStatusQuestionSerializer, request.query_params)
        model = selectors.model_named(asked.get("model"))
        standing = selectors.standing(selectors.window_of(model, asked["slice"]), clock.now())
        return Response(shapes.DriftStatusSerializer(standing).data)


class DriftSummary(APIView):
    """What happened over some days."""

    permission_classes = [READ]

    @extend_schema(
        operation_id="drift_summary",
        summary="Drift of a model over some days",
        parameters=[shapes.DriftSummaryQuestionSerializer],
        responses=shapes.DriftSummarySerializer,
    )
    def get(self, request: Request) -> Response:
        asked = given(shapes.DriftSummaryQuestionSerializer, request.query_params)
        model = selectors.model_named(asked.get("model"))
        now = clock.now()
        found = selectors.summary(model, now - timedelta(days=asked["days"]), now)
        content = {
            "model": model.name,
            "period_days": asked["days"],
            "drift_count": found.n_events,
            "max_kl_divergence": found.max_kl,
            "avg_kl_divergence": found.mean_kl,
            "should_retrain": bool(selectors.reason_to_retrain(model, now)),
            "events": found.events,
        }
        return Response(shapes.DriftSummarySerializer(content).data)


class DriftReset(APIView):
    """The watch begins anew."""

    permission_classes = [ACT]

    @extend_schema(
        operation_id="drift_reset",
        summary="Empty a live model's windows and close its events",
        request=shapes.DriftResetSerializer,
        responses=shapes.DriftResetDoneSerializer,
    )
    @idempotent
    def post(self, request: Request) -> Response:
        asked = given(shapes.DriftResetSerializer, request.data)
        model = selectors.model_named(asked.get("model"))
        slice_name = asked.get("slice")
        window = selectors.window_of(model, slice_name or "")
        n_windows = resets.reset(
            version=window.version,
            reason=asked["reason"],
            actor=actor_of(request),
            slice_name=slice_name,
            learns_anew=asked["learn_anew"],
        )
        message = _("The watch on %(version)s begins anew.") % {"version": window.version}
        return Response({"message": message, "windows": n_windows})


class QueryDrift(APIView):
    """What live search indexes are asked, beside what was asked when they were built."""

    permission_classes = [scope(Scope.READ, "monitoring.view_querywatch")]

    @extend_schema(
        operation_id="drift_queries",
        summary="Whether people ask live search indexes for what they asked before",
        responses=shapes.QueryWatchSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        found = [row.describe() for row in selectors.query_watches()]
        return Response(shapes.QueryWatchSerializer(found, many=True).data)


class EventFilter(filters.FilterSet):  # type: ignore[misc]  # untyped library
    model = filters.CharFilter("window__version__model__name")
    slice = filters.CharFilter("window__slice")
    signal = filters.ChoiceFilter(choices=DriftEvent.Signal.choices)
    level = filters.ChoiceFilter(choices=DriftEvent.Level.choices)
    is_open = filters.BooleanFilter("closed_at", "isnull")
    is_acknowledged = filters.BooleanFilter("acknowledged_at", "isnull", exclude=True)
    since = filters.IsoDateTimeFilter("opened_at", "gte")
    until = filters.IsoDateTimeFilter("opened_at", "lt")

    class Meta:
        model = DriftEvent
        fields: tuple[str, ...] = ()


class DriftEvents(ListModelMixin, RetrieveModelMixin, GenericViewSet[DriftEvent]):
    """Stretches of time in which something was beyond its threshold."""

    queryset = DriftEvent.objects.select_related("window__version__model", "acknowledged_by")
    serializer_class = shapes.DriftEventSerializer
    filterset_class = EventFilter
    ordering_fields = ("opened_at",)

    def get_permissions(self) -> list[BasePermission]:
        return [ACT() if self.action == "acknowledge" else READ()]

    @extend_schema(request=shapes.DriftAcknowledgeSerializer, responses=shapes.DriftEventSerializer)
    @action(detail=True, methods=["post"])
    @idempotent
    def acknowledge(self, request: Request, **url_parts: Any) -> Response:
        """Say that you have seen an event, and what it comes from."""
        asked = given(shapes.DriftAcknowledgeSerializer, request.data)
        event = events.acknowledge(event=self.get_object(), actor=actor_of(request), **asked)
        return Response(shapes.DriftEventSerializer(event).data)


class ProposalFilter(filters.FilterSet):  # type: ignore[misc]  # untyped library
    model = filters.CharFilter("model__name")
    state = filters.ChoiceFilter(choices=RetrainingProposal.State.choices)

    class Meta:
        model = RetrainingProposal
        fields: tuple[str, ...] = ()


class Proposals(ListModelMixin, RetrieveModelMixin, GenericViewSet[RetrainingProposal]):
    """What the watch proposes: train anew."""

    queryset = RetrainingProposal.objects.select_related("model", "version")
    serializer_class = shapes.RetrainingProposalSerializer
    filterset_class = ProposalFilter
    ordering_fields = ("made_at",)

    def get_permissions(self) -> list[BasePermission]:
        return [ACT() if self.action in {"accept", "dismiss"} else READ()]

    @extend_schema(request=shapes.DriftNoteSerializer, responses={202: RunSerializer})
    @action(detail=True, methods=["post"])
    @idempotent
    def accept(self, request: Request, **url_parts: Any) -> Response:
        """Start the training that is proposed."""
        asked = given(shapes.DriftNoteSerializer, request.data)
        run = proposals.accept(proposal=self.get_object(), actor=actor_of(request), **asked)
        return accepted(run, RunSerializer(run).data)

    @extend_schema(
        request=shapes.DriftNoteSerializer, responses=shapes.RetrainingProposalSerializer
    )
    @action(detail=True, methods=["post"])
    @idempotent
    def dismiss(self, request: Request, **url_parts: Any) -> Response:
        """Decide that no training is needed, and say why."""
        asked = given(shapes.DriftNoteSerializer, request.data)
        done = proposals.dismiss(proposal=self.get_object(), actor=actor_of(request), **asked)
        return Response(shapes.RetrainingProposalSerializer(done).data)


class PolicyView(APIView):
    """How a model is watched."""

    def get_permissions(self) -> list[BasePermission]:
        return [ACT() if self.request.method == "PATCH" else READ()]

    @extend_schema(summary="How a model is watched", responses=shapes.DriftPolicySerializer)
    def get(self, request: Request, name: str) -> Response:
        policy = policies.policy_of(selectors.model_named(name))
        return Response(shapes.DriftPolicySerializer(policy).data)

    @extend_schema(
        summary="Change how a model is watched",
        description="Another window or detector is another watch, which is learnt anew.",
        request=shapes.DriftPolicyChangeSerializer,
        responses=shapes.DriftPolicySerializer,
    )
    def patch(self, request: Request, name: str) -> Response:
        policy = policies.change(
            model=selectors.model_named(name),
            values=given(shapes.DriftPolicyChangeSerializer, request.data),
            actor=actor_of(request),
        )
        return Response(shapes.DriftPolicySerializer(policy).data)
