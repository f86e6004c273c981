"""What a version costs at somebody's prices, and what it looks at over all."""

from dataclasses import asdict
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.core.api import scope
from portal.core.errors import Conflict, NotFound
from portal.registry.models import ModelVersion
from predictions.api.queries import amount, only
from predictions.services import costs
from predictions.services.costs import Prices

LOOK = scope("read", "registry.view_registeredmodel")
PRICES = ("missed_defect", "false_alarm", "volume")


def _price(name: str, description: str) -> OpenApiParameter:
    return OpenApiParameter(name, OpenApiTypes.DOUBLE, required=True, description=description)


class SpanSerializer(serializers.Serializer[Any]):
    low = serializers.FloatField()
    high = serializers.FloatField()


class CostOptionSerializer(serializers.Serializer[Any]):
    name = serializers.ChoiceField(
        ["present", "cheapest", "implied", "stop_all", "stop_none"],
        help_text="present: the version's own; implied: by the prices, if probabilities are true.",
    )
    threshold = serializers.FloatField()
    n_missed = serializers.FloatField(help_text="Defects let through, in the given volume.")
    n_false_alarms = serializers.FloatField(help_text="Good shots stopped.")
    cost = serializers.FloatField(help_text="In the unit of the prices.")
    saving = serializers.FloatField(help_text="What it costs less than the present threshold.")
    cost_interval = SpanSerializer(help_text="95 %, by bootstrap.")
    saving_interval = SpanSerializer(help_text="95 %, by bootstrap.")


class CostVariationSerializer(serializers.Serializer[Any]):
    factor = serializers.FloatField()
    missed_defect = serializers.FloatField()
    cheapest_threshold = serializers.FloatField()
    threshold_interval = SpanSerializer(help_text="95 %, by bootstrap.")
    cost = serializers.FloatField()
    saving = serializers.FloatField()
    saving_interval = SpanSerializer(help_text="95 %, by bootstrap.")


class CostPointSerializer(serializers.Serializer[Any]):
    threshold = serializers.FloatField()
    n_missed = serializers.FloatField()
    n_false_alarms = serializers.FloatField()
    cost = serializers.FloatField()
    low = serializers.FloatField(help_text="Of the 95 % interval of the cost, by bootstrap.")
    high = serializers.FloatField()


class CostsSerializer(serializers.Serializer[Any]):
    model = serializers.CharField()
    version = serializers.IntegerField()
    missed_defect = serializers.FloatField()
    false_alarm = serializers.FloatField()
    volume = serializers.FloatField()
    implied_threshold = serializers.FloatField(
        help_text="false_alarm / (false_alarm + missed_defect)."
    )
    options = CostOptionSerializer(many=True)
    variations = CostVariationSerializer(
        many=True, help_text="The cheapest threshold at other prices of a missed defect."
    )
    curve = CostPointSerializer(many=True)
    cheapest_interval = SpanSerializer(help_text="Of the cheapest threshold; 95 %, by bootstrap.")
    n_shots = serializers.IntegerField(help_text="Shots out of fold that were counted.")
    n_distinct = serializers.IntegerField(help_text="Different ones; as many are drawn again.")


class WeightSerializer(serializers.Serializer[Any]):
    feature = serializers.CharField()
    value = serializers.FloatField(help_text="Mean absolute contribution.")
    low = serializers.FloatField()
    high = serializers.FloatField()


class ImportanceSerializer(serializers.Serializer[Any]):
    model = serializers.CharField()
    version = serializers.IntegerField()
    method = serializers.CharField()
    unit = serializers.CharField()
    n_shots = serializers.IntegerField(help_text="Training shots explained.")
    features = WeightSerializer(many=True, help_text="The greatest first, with 95 % intervals.")


class CostsView(APIView):
    """What each threshold of a version costs."""

    permission_classes = [LOOK]

    @extend_schema(
        summary="Price a version's thresholds",
        parameters=[
            _price("missed_defect", "Cost of one defect that is let through, at least 0."),
            _price("false_alarm", "Cost of one good shot that is stopped, at least 0."),
            _price("volume", "Number of shots, more than 0."),
        ],
        responses=CostsSerializer,
    )
    def get(self, request: Request, name: str, number: int) -> Response:
        only(request, *PRICES)
        prices = Prices(**{one: amount(request, one) for one in PRICES})
        found = costs.price(_version(name, number), prices)
        body = {
            "model": name,
            "version": number,
            **asdict(found.prices),
            "implied_threshold": found.curve.implied_threshold,
            "options": found.options,
            "variations": found.variations,
            "curve": [
                {**asdict(point), **asdict(span)}
                for point, span in zip(found.curve.points, found.band, strict=True)
            ],
            "cheapest_interval": found.cheapest_interval,
            "n_shots": found.n_shots,
            "n_distinct": found.n_distinct,
        }
        return Response(CostsSerializer(body).data)


class ImportanceView(APIView):
    """What a version looks at over all."""

    permission_classes = [LOOK]

    @extend_schema(summary="What a version looks at over all", responses=ImportanceSerializer)
    def get(self, request: Request, name: str, number: int) -> Response:
        only(request)
        version = _version(name, number)
        found = version.evaluation.get("global_importance")
        if not found:
            message = _(
                "%(version)s was trained before reports kept what each feature moves on average, "
                "or is no quality model. Train a new version."
            )
            raise Conflict(message % {"version": version}, code="not_available_for_version")
        return Response(ImportanceSerializer({"model": name, "version": number, **found}).data)


def _version(name: str, number: int) -> ModelVersion:
    versions = ModelVersion.objects.select_related("model")
    version = versions.filter(model__name=name, number=number).first()
    if version is None:
        message = _("“%(model)s” has no version %(number)d.")
        raise NotFound(message % {"model": name[:80], "number": number})
    return version
