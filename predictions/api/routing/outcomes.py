"""What planners made of proposed routings."""

from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.core.api import idempotent, scope
from portal.core.api.authentication import principal_of
from predictions.api.queries import wrong
from predictions.api.routing.shapes import DecisionSerializer, KnownDecisionSerializer
from predictions.models import RoutingOutcome
from predictions.services.routing import feedback

DECIDE = "predictions.add_routingoutcome"
LOOK = "predictions.view_routingoutcome"


class RoutingDecision(APIView):
    """What an item was given in the end."""

    permission_classes = [scope("predict", DECIDE)]

    @extend_schema(
        summary="Accept or correct a proposed routing",
        description="Every decision is kept and the last one counts. The same again changes "
        "nothing and answers 200.",
        request=DecisionSerializer,
        responses={200: KnownDecisionSerializer, 201: KnownDecisionSerializer},
    )
    @idempotent
    def post(self, request: Request, pk: UUID) -> Response:
        if not isinstance(request.data, dict):
            raise wrong("", _("The body must be an object with “accepted” or “routing”."))
        principal = principal_of(request)
        row, is_new = feedback.decide(
            pk, dict(request.data), reported_by=principal.name if principal else ""
        )
        code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
        return Response(KnownDecisionSerializer(row).data, status=code)


class RoutingDecisionFilter(filters.FilterSet):  # type: ignore[misc]  # untyped library
    model = filters.CharFilter("prediction__version__model__name")
    model_version = filters.NumberFilter("prediction__version__number")
    verdict = filters.ChoiceFilter(choices=RoutingOutcome.Verdict.choices)
    current = filters.BooleanFilter("is_current")
    item_code = filters.CharFilter()
    since = filters.IsoDateTimeFilter("recorded_at", "gte")
    until = filters.IsoDateTimeFilter("recorded_at", "lt")

    class Meta:
        model = RoutingOutcome
        fields: tuple[str, ...] = ()


class RoutingDecisionList(generics.ListAPIView[Any]):
    """Every decision on a proposed routing, the latest first."""

    queryset = RoutingOutcome.objects.select_related("prediction__version")
    serializer_class = KnownDecisionSerializer
    filterset_class = RoutingDecisionFilter
    permission_classes = [scope("read", LOOK)]
    ordering_fields = ("recorded_at",)
    ordering = "-recorded_at"
