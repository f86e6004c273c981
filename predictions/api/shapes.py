"""What the quality addresses take and answer, for the OpenAPI document alone.

The addresses themselves check and encode without serializers, which cost more than the prediction.
"""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from predictions.models import Prediction

Serializer = serializers.Serializer[Any]

#: What a signed-in person needs to see predictions and what belongs to them.
VIEW = "predictions.view_prediction"

RECORD = OpenApiParameter(
    "record",
    OpenApiTypes.BOOL,
    description="Whether the prediction is recorded before it is answered; true by default.",
)
ONCE = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    location=OpenApiParameter.HEADER,
    description="Same key and body: the first answer again. Same key, another body: 409.",
)


class ShotSerializer(Serializer):
    features = serializers.DictField(
        child=serializers.FloatField(allow_null=True),
        help_text="Every feature of the model by name; null where the model knows it missing.",
    )


class ShotsSerializer(Serializer):
    instances = serializers.ListField(
        child=serializers.DictField(child=serializers.FloatField(allow_null=True)),
        min_length=1,
        max_length=10_000,
    )


class OutcomeSerializer(Serializer):
    probability = serializers.FloatField(help_text="Of a defect, from 0 to 1.")
    confidence = serializers.ChoiceField(Prediction.Confidence.choices)

    def get_fields(self) -> dict[str, Any]:
        # The name is Python's own, so it cannot be an attribute of the class.
        return {"class": serializers.ChoiceField(Prediction.Label.choices), **super().get_fields()}


class AnswerSerializer(Serializer):
    prediction_id = serializers.UUIDField(
        allow_null=True, help_text="null when it was not recorded."
    )
    prediction = OutcomeSerializer()
    latent_features = serializers.ListField(
        child=serializers.FloatField(), min_length=12, max_length=12
    )


class PredictedSerializer(AnswerSerializer):
    processing_time_ms = serializers.FloatField()
    model_version = serializers.IntegerField()


class PredictedBatchSerializer(Serializer):
    predictions = AnswerSerializer(many=True)
    processing_time_ms = serializers.FloatField()
    model_version = serializers.IntegerField()
