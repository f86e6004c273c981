"""Readings of the user's own running instance."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.core.api import StrictSerializer, scope
from portal.core.models import Scope
from tuning.models import OptionWatch
from tuning.services import readings


class ReadingSerializer(StrictSerializer):
    """One rate."""

    at = serializers.CharField(max_length=60, help_text="When, with an offset.")
    rate = serializers.JSONField(help_text="A number from 0 on, in the unit of the metric.")


class ReadingsSerializer(StrictSerializer):
    """Some rates under one workload."""

    workload = serializers.CharField(
        max_length=60, required=False, default="", help_text="One of the target's; else its first."
    )
    readings = serializers.ListField(
        child=ReadingSerializer(), min_length=1, max_length=readings.MOST
    )


class WatchSerializer(serializers.ModelSerializer[OptionWatch]):
    """A watch over an option set that went live."""

    version = serializers.CharField(read_only=True)
    previous = serializers.CharField(read_only=True, allow_null=True)
    said = serializers.CharField(read_only=True)

    class Meta:
        model = OptionWatch
        fields = (
            "version",
            "previous",
            "state",
            "said",
            "metric",
            "is_higher_better",
            "base",
            "base_from",
            "proven",
            "margin",
            "bound",
            "n_needed",
            "n_breaches",
            "n_readings",
            "began_at",
            "window_s",
            "ended_at",
        )
        read_only_fields = fields


class TakenSerializer(serializers.Serializer[Any]):
    """What became of the readings."""

    n_new = serializers.IntegerField()
    n_known = serializers.IntegerField(help_text="Their time was known; the first of it stands.")
    watch = WatchSerializer(allow_null=True)


class Readings(APIView):
    """Rates of a running instance."""

    permission_classes = [scope(Scope.TUNE, "tuning.change_study")]

    @extend_schema(
        summary="Send readings of a running instance",
        request=ReadingsSerializer,
        responses=TakenSerializer,
    )
    def post(self, request: Request, name: str) -> Response:
        """Keep rates, each time once, and hold them against what was proven of the live set."""
        form = ReadingsSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        return Response(TakenSerializer(readings.take(target=name, **form.validated_data)).data)
