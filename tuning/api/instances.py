"""Running instances over HTTP: samples in, courses out."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.core.api import StrictSerializer, actor_of, scope
from portal.core.models import Scope
from tuning.engine.live.figures import FIGURES, SOURCES
from tuning.models import Instance
from tuning.services import courses, instances
from tuning.services.instances import About

VIEW, CHANGE = "tuning.view_study", "tuning.change_study"
NAME = OpenApiParameter("name", OpenApiTypes.STR, OpenApiParameter.PATH)


class AboutSerializer(StrictSerializer):
    """What the sender knows of the instance."""

    host = serializers.CharField(max_length=120, required=False, allow_blank=True, default="")
    folder = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")
    version = serializers.CharField(max_length=40, required=False, allow_blank=True, default="")
    pid = serializers.IntegerField(
        min_value=1, max_value=1 << 31, required=False, allow_null=True, default=None
    )
    workload = serializers.CharField(
        max_length=60,
        required=False,
        allow_blank=True,
        default="",
        help_text="Of the target rocksdb; its rate is predicted beside.",
    )
    sends_readings = serializers.BooleanField(
        required=False,
        default=False,
        help_text="Hold the options that are live to its rates, minute by minute.",
    )
    options = serializers.DictField(
        required=False, default=dict, help_text="Options of the target rocksdb, in its units."
    )
    n_lost = serializers.IntegerField(
        min_value=0,
        max_value=1 << 40,
        required=False,
        default=0,
        help_text="Samples that the sender had to throw away.",
    )


class SampleSerializer(StrictSerializer):
    """One second; what is not known is left out."""

    at = serializers.DateTimeField(help_text="Rounded down to a second; taken once.")
    rate_source = serializers.ChoiceField(
        choices=SOURCES, required=False, allow_blank=True, default=""
    )

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        figures = {
            name: serializers.FloatField(required=False, allow_null=True, default=None)
            for name in FIGURES
        }
        return super().get_fields() | figures


class SamplesSerializer(StrictSerializer):
    """Some seconds of one instance."""

    about = AboutSerializer(required=False, default=dict)
    samples = serializers.ListField(
        child=SampleSerializer(), min_length=1, max_length=instances.MOST
    )


class TakenSamplesSerializer(serializers.Serializer[Any]):
    """What became of the samples."""

    n_new = serializers.IntegerField()
    n_known = serializers.IntegerField(help_text="Their time was known; the first of it stands.")


class InstanceSerializer(serializers.ModelSerializer[Instance]):
    """A running engine that is watched."""

    is_silent = serializers.BooleanField(read_only=True)

    class Meta:
        model = Instance
        fields = (
            "name",
            "host",
            "folder",
            "version",
            "pid",
            "workload",
            "sends_readings",
            "options",
            "prediction",
            "predicted_at",
            "n_lost",
            "created_at",
            "last_at",
            "is_silent",
        )
        read_only_fields = fields


class CourseQuery(StrictSerializer):
    """Which time, in which resolution."""

    since = serializers.DateTimeField(required=False, help_text="Else 5 minutes before the end.")
    until = serializers.DateTimeField(required=False, help_text="Else now.")
    resolution = serializers.ChoiceField(
        choices=courses.RESOLUTIONS,
        required=False,
        help_text="Else what suits the range: seconds to 20 minutes, minutes to a day, hours.",
    )


class InstancePointSerializer(serializers.Serializer[Any]):
    """One second, or a sum of a span."""

    at = serializers.DateTimeField()
    rate_source = serializers.CharField()
    n = serializers.IntegerField(required=False, help_text="Seconds in it; of sums only.")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        figures = {name: serializers.FloatField(allow_null=True) for name in FIGURES}
        figures |= {
            name: serializers.FloatField(allow_null=True, required=False)
            for name in ("predicted", "rate_low", "rate_high")
        }
        return super().get_fields() | figures


class InstanceCourseSerializer(serializers.Serializer[Any]):
    """What was seen of an instance."""

    resolution = serializers.ChoiceField(choices=courses.RESOLUTIONS)
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    points = InstancePointSerializer(many=True, source="rows")


class Instances(ListAPIView[Instance]):
    """Running engines that are watched."""

    queryset = Instance.objects.all()
    serializer_class = InstanceSerializer
    permission_classes = [scope(Scope.READ, VIEW)]
    ordering_fields = ("name", "last_at")
    ordering = "name"


class OneInstance(APIView):
    """One running engine."""

    def get_permissions(self) -> list[BasePermission]:
        if self.request.method == "DELETE":
            return [scope(Scope.TUNE, CHANGE)()]
        return [scope(Scope.READ, VIEW)()]

    @extend_schema(
        summary="Look at a running instance", parameters=[NAME], responses=InstanceSerializer
    )
    def get(self, request: Request, name: str) -> Response:
        return Response(InstanceSerializer(courses.find(name)).data)

    @extend_schema(
        summary="Forget a running instance", parameters=[NAME], request=None, responses={204: None}
    )
    def delete(self, request: Request, name: str) -> Response:
        """Remove an instance and everything seen of it; a sidecar that goes on brings it back."""
        instances.forget(instance=courses.find(name), actor=actor_of(request))
        return Response(status=204)


class Samples(APIView):
    """Seconds of a running engine."""

    def get_permissions(self) -> list[BasePermission]:
        if self.request.method == "POST":
            return [scope(Scope.TUNE, CHANGE)()]
        return [scope(Scope.READ, VIEW)()]

    @extend_schema(
        summary="Send samples of a running instance",
        parameters=[NAME],
        request=SamplesSerializer,
        responses=TakenSamplesSerializer,
    )
    def post(self, request: Request, name: str) -> Response:
        """Keep samples, each second once, so that a request may be repeated."""
        form = SamplesSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        about = About(**form.validated_data["about"])
        taken = instances.take(name=name, about=about, samples=form.validated_data["samples"])
        return Response(TakenSamplesSerializer(taken).data)

    @extend_schema(
        summary="Read what was seen of a running instance",
        parameters=[NAME, CourseQuery],
        responses=InstanceCourseSerializer,
    )
    def get(self, request: Request, name: str) -> Response:
        """Give seconds, minutes or hours of a range of time."""
        query = CourseQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        found = courses.course(courses.find(name), **query.validated_data)
        return Response(InstanceCourseSerializer(found).data)
