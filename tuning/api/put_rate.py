"""The put-rate model over HTTP."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.core.api import scope
from portal.core.models import Scope
from tuning.engine.putrate.contract import COVERAGE
from tuning.services import put_answers, put_inputs
from tuning.services.put_answers import Answer


class PutRateSerializer(serializers.Serializer[Any]):
    """A predicted rate, its interval, and the error of the form that predicts it."""

    form = serializers.CharField(help_text="v1 to v5: of those enabled the one with least error.")
    version = serializers.IntegerField(help_text="Of the model put-rate.")
    rate = serializers.FloatField(help_text="Puts a second, sustained.")
    low = serializers.FloatField()
    high = serializers.FloatField()
    coverage = serializers.FloatField(help_text="How often the interval is to hold the rate.")
    is_extrapolated = serializers.BooleanField(help_text="Outside of what the form was fitted on.")
    median_error = serializers.FloatField(help_text="Of the form, as a share.")
    workload = serializers.CharField()
    configuration = serializers.DictField()
    machine = serializers.DictField(
        help_text="As it was at the latest trial under the workload: seconds of the load, "
        "bandwidth, turn of a loop, load of others."
    )
    measured_at = serializers.DateTimeField(help_text="When that trial was.")


class PutRate(APIView):
    """What RocksDB would sustain under options that nobody has measured."""

    permission_classes = [scope(Scope.READ, "tuning.view_study")]

    @extend_schema(
        summary="Predict the rate of puts that RocksDB sustains",
        description="Any option of the target rocksdb may be given as a parameter of its name; "
        "those left out have their defaults.",
        parameters=[
            OpenApiParameter("workload", description="One of puts alone; else the first."),
            OpenApiParameter("write_buffer_size", description="In MiB; an option as any other."),
        ],
        responses=PutRateSerializer,
    )
    def get(self, request: Request) -> Response:
        words = {name: str(value) for name, value in request.query_params.items()}
        found = put_answers.answer(words.pop("workload", ""), words)
        return Response(PutRateSerializer(_shown(found)).data)


def _shown(found: Answer) -> dict[str, Any]:
    return {
        "form": found.form.name,
        "version": found.form.version.number,
        "rate": found.prediction.rate,
        "low": found.prediction.low,
        "high": found.prediction.high,
        "coverage": COVERAGE,
        "is_extrapolated": found.prediction.is_extrapolated,
        "median_error": found.error,
        "workload": found.workload,
        "configuration": found.configuration,
        "machine": found.trial.facts[put_inputs.BEFORE],
        "measured_at": found.trial.finished_at,
    }
