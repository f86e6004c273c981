"""What machines and runs use, over HTTP."""

from datetime import timedelta
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from monitoring.selectors import usage
from portal.core.api.permissions import scope
from portal.core.api.strict import StrictSerializer
from portal.core.errors import NotFound
from portal.runs.models import Run

MOST_HOURS = 24 * 730


class ResourceQuery(StrictSerializer):
    """What is asked for."""

    run = serializers.UUIDField(required=False, help_text="A run, instead of the machines.")
    hours = serializers.IntegerField(
        default=3,
        min_value=1,
        max_value=MOST_HOURS,
        help_text="How far back; past 24 an average for each hour, else for each minute.",
    )


class PointSerializer(serializers.Serializer[usage.Point]):
    """What was used at one time, or on average in one span."""

    at = serializers.DateTimeField()
    cpu_cores = serializers.FloatField(help_text="Cores that were busy.")
    memory_bytes = serializers.IntegerField()
    read_bytes_s = serializers.FloatField()
    written_bytes_s = serializers.FloatField()
    free_bytes = serializers.IntegerField(allow_null=True, help_text="Of the disk; machines only.")


class CourseSerializer(serializers.Serializer[usage.Course]):
    """One machine or run over time."""

    name = serializers.CharField(help_text="The machine's name, or the run's id.")
    cpu_cores_max = serializers.FloatField()
    memory_bytes_max = serializers.IntegerField()
    points = PointSerializer(many=True)


class CoursesSerializer(serializers.Serializer[Any]):
    """What was asked for; empty when nothing was read."""

    results = CourseSerializer(many=True)


class Resources(APIView):
    """What machines and runs use."""

    permission_classes = (scope("read", "runs.view_run"),)

    @extend_schema(parameters=[ResourceQuery], responses=CoursesSerializer)
    def get(self, request: Request) -> Response:
        """Tell what the machines used lately, or what one run used."""
        query = ResourceQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        wanted = query.validated_data
        if run_id := wanted.get("run"):
            courses = self._of_run(run_id)
        else:
            courses = usage.machines(timedelta(hours=wanted["hours"]))
        return Response(CoursesSerializer({"results": courses}).data)

    def _of_run(self, run_id: Any) -> list[usage.Course]:
        run = Run.objects.filter(pk=run_id).first()
        if run is None:
            raise NotFound(_("There is no run %(run)s.") % {"run": run_id})
        course = usage.run_course(run)
        return [course] if course else []
