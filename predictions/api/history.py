"""Recorded predictions."""

from typing import Any
from uuid import UUID

from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.core.api import scope
from predictions.models import Prediction
from predictions.services import lookup


class VerdictSerializer(serializers.ModelSerializer[Prediction]):
    class Meta:
        model = Prediction
        fields = ("probability", "confidence")
        read_only_fields = fields

    def get_fields(self) -> dict[str, Any]:
        # The name is Python's own, so it cannot be an attribute of the class.
        label = serializers.ChoiceField(Prediction.Label.choices, source="predicted_class")
        return {"class": label, **super().get_fields()}


class PredictionSerializer(serializers.ModelSerializer[Prediction]):
    prediction_id = serializers.UUIDField(source="id")
    model = serializers.CharField(source="version.model.name")
    model_version = serializers.IntegerField(source="version.number")
    prediction = VerdictSerializer(source="*")
    latent_features = serializers.ListField(source="latent", child=serializers.FloatField())
    features = serializers.DictField(child=serializers.FloatField(allow_null=True))

    class Meta:
        model = Prediction
        fields = (
            "prediction_id",
            "at",
            "model",
            "model_version",
            "role",
            "challenger_share",
            "prediction",
            "features",
            "latent_features",
            "latency_ms",
            "principal",
            "request_id",
        )
        read_only_fields = fields


class PredictionFilter(filters.FilterSet):  # type: ignore[misc]  # untyped library
    model = filters.CharFilter("version__model__name")
    model_version = filters.NumberFilter("version__number")
    since = filters.IsoDateTimeFilter("at", "gte")
    until = filters.IsoDateTimeFilter("at", "lt")
    min_probability = filters.NumberFilter("probability", "gte")
    max_probability = filters.NumberFilter("probability", "lte")
    confidence = filters.ChoiceFilter(choices=Prediction.Confidence.choices)
    role = filters.ChoiceFilter(choices=Prediction.Role.choices)
    principal = filters.CharFilter()
    request_id = filters.CharFilter()

    class Meta:
        model = Prediction
        fields: tuple[str, ...] = ()


# The word is Python's own, so the filter cannot be an attribute of the class body.
PredictionFilter.base_filters["class"] = filters.ChoiceFilter(
    "predicted_class", choices=Prediction.Label.choices
)


class PredictionList(generics.ListAPIView[Prediction]):
    """History: every recorded prediction, the latest first.

    A prediction appears here within about a second of its answer; by its id it is found at once.
    """

    queryset = Prediction.objects.select_related("version__model")
    serializer_class = PredictionSerializer
    filterset_class = PredictionFilter
    permission_classes = [scope("read", "predictions.view_prediction")]
    ordering_fields = ("at",)
    ordering = "-at"


class PredictionDetail(APIView):
    """One recorded prediction, from the moment that it is answered."""

    permission_classes = [scope("read", "predictions.view_prediction")]

    @extend_schema(summary="Look at one prediction", responses=PredictionSerializer)
    def get(self, request: Request, pk: UUID) -> Response:
        return Response(PredictionSerializer(lookup.find(pk)).data)
