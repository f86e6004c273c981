"""Readings of the user's own running instance."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.core.api import StrictSerializer, scope
from portal.core.models import Scope
from tuning.models import OptionWatch
from tuning.services import reading_courses, readings


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


class ReadingsQuery(StrictSerializer):
    """Which readings."""

    workload = serializers.CharField(
        max_length=60, required=False, default="", help_text="One of the target's; else its first."
    )
    since = serializers.DateTimeField(required=False, help_text="Else 24 hours before the end.")
    until = serializers.DateTimeField(required=False, help_text="Else now.")
    resolution = serializers.ChoiceField(
        choices=reading_courses.RESOLUTIONS,
        required=False,
        help_text="Else each reading up to 48 hours while it is kept, and hours beyond.",
    )


class ReadingPointSerializer(serializers.Serializer[Any]):
    """A rate, or an hour of rates."""

    at = serializers.DateTimeField()
    rate = serializers.FloatField(help_text="Of an hour the mean.")
    n = serializers.IntegerField(required=False)
    low = serializers.FloatField(required=False)
    high = serializers.FloatField(required=False)


class ReadingCourseSerializer(serializers.Serializer[Any]):
    """Readings over a range of time, the earliest first."""

    workload = serializers.CharField()
    resolution = serializers.CharField(help_text="reading or hour.")
    is_cut = serializers.BooleanField(help_text="The range held more: ask from the last on.")
    points = ReadingPointSerializer(many=True)


class Readings(APIView):
    """Rates of a running instance."""

    def get_permissions(self) -> list[BasePermission]:
        if self.request.method == "GET":
            return [scope(Scope.READ, "tuning.view_study")()]
        return [scope(Scope.TUNE, "tuning.change_study")()]

    @extend_schema(
        summary="Read back the readings of a running instance",
        parameters=[ReadingsQuery],
        responses=ReadingCourseSerializer,
    )
    def get(self, request: Request, name: str) -> Response:
        """Give the rates of a range of time, one by one or by the hour."""
        query = ReadingsQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        found = reading_courses.course(target=name, **query.validated_data)
        return Response(ReadingCourseSerializer(found).data)

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
