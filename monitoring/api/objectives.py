"""Objectives over HTTP."""

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from monitoring.models import Measurement, Objective
from monitoring.selectors import objectives as selectors
from monitoring.selectors.objectives import Standing
from monitoring.services.objectives import definitions, evaluating
from portal.core.api.permissions import scope
from portal.core.errors import NotFound

PERMISSION = scope("read", "monitoring.view_objective")


class MeasurementSerializer(serializers.ModelSerializer[Measurement]):
    """What was measured at one time."""

    class Meta:
        model = Measurement
        fields = ("at", "status", "reason", "value", "low", "high", "n", "budget_left", "target")
        read_only_fields = fields


class ObjectiveSerializer(serializers.Serializer[Standing]):
    """One goal, and what was measured of it last."""

    kind = serializers.CharField(source="objective.kind")
    title = serializers.SerializerMethodField()
    definition = serializers.SerializerMethodField()
    unit = serializers.SerializerMethodField(help_text="share, seconds or money.")
    direction = serializers.SerializerMethodField(help_text="at_least or at_most.")
    target = serializers.FloatField(source="objective.target", allow_null=True)
    window_days = serializers.IntegerField(source="objective.window_days")
    owner = serializers.CharField(source="objective.owner")
    status = serializers.SerializerMethodField()
    trend = serializers.SerializerMethodField(
        help_text="better, worse, same, or empty before there are two days to compare."
    )
    now = MeasurementSerializer(
        source="last", allow_null=True, help_text="Null before the first measurement."
    )

    def get_title(self, one: Standing) -> str:
        return str(definitions.BY_KIND[one.objective.kind].title)

    def get_definition(self, one: Standing) -> str:
        return str(definitions.BY_KIND[one.objective.kind].meaning)

    def get_unit(self, one: Standing) -> str:
        return definitions.BY_KIND[one.objective.kind].unit

    def get_direction(self, one: Standing) -> str:
        return definitions.BY_KIND[one.objective.kind].direction

    def get_status(self, one: Standing) -> str:
        return one.last.status if one.last else Measurement.Status.UNMEASURED.value

    def get_trend(self, one: Standing) -> str:
        return one.trend(is_floor=definitions.BY_KIND[one.objective.kind].is_floor)


class ObjectiveDetailSerializer(ObjectiveSerializer):
    """One goal with its history."""

    history = MeasurementSerializer(many=True, help_text="The last of each day, for 90 days.")


class ObjectivesSerializer(serializers.Serializer[Any]):
    """Every goal."""

    results = ObjectiveSerializer(many=True)


class Objectives(APIView):
    """What the portal is to achieve."""

    permission_classes = (PERMISSION,)

    @extend_schema(responses=ObjectivesSerializer, operation_id="objectives_list")
    def get(self, request: Request) -> Response:
        """Tell every goal, and what was measured of it last."""
        evaluating.ensure()
        return Response(ObjectivesSerializer({"results": selectors.board()}).data)


class OneObjective(APIView):
    """One goal."""

    permission_classes = (PERMISSION,)

    @extend_schema(responses=ObjectiveDetailSerializer)
    def get(self, request: Request, kind: str) -> Response:
        """Tell one goal with its history."""
        evaluating.ensure()
        objective = Objective.objects.filter(kind=kind).first()
        if objective is None:
            known = ", ".join(definitions.BY_KIND)
            message = _("There is no objective “%(kind)s”; there are %(known)s.")
            raise NotFound(message % {"kind": kind[:60], "known": known})
        return Response(ObjectiveDetailSerializer(selectors.standing(objective)).data)
