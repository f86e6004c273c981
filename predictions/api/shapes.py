"""What the quality addresses take and answer, for the OpenAPI document alone.

The addresses themselves check and encode without serializers, which cost more than the prediction.
"""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from portal.core.api.examples import example
from predictions.api.examples import SHOT
from predictions.engine.features import FEATURE_NAMES
from predictions.models import Prediction

Serializer = serializers.Serializer[Any]

#: What a signed-in person needs to see predictions and what belongs to them.
VIEW = "predictions.view_prediction"

#: As the trainings have them; not imported, since that would load the training libraries.
LATENT_SIZES = (4, 8, 12, 16)

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


@example({"features": SHOT})
class ShotSerializer(Serializer):
    features = serializers.DictField(
        child=serializers.FloatField(allow_null=True),
        help_text="Every feature of the model by name; null where the model knows it missing.",
    )


@example({"instances": [SHOT, SHOT]})
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
        child=serializers.FloatField(),
        min_length=LATENT_SIZES[0],
        max_length=LATENT_SIZES[-1],
        help_text="4, 8, 12 or 16 numbers of the version's autoencoder; 12 principal components of "
        "a version without one.",
    )


class PredictedSerializer(AnswerSerializer):
    processing_time_ms = serializers.FloatField()
    model_version = serializers.IntegerField()


class PredictedBatchSerializer(Serializer):
    predictions = AnswerSerializer(many=True)
    processing_time_ms = serializers.FloatField()
    model_version = serializers.IntegerField()


# --- Open inference protocol v2 -------------------------------------------------------------------
class InferenceServerSerializer(Serializer):
    name = serializers.CharField()
    version = serializers.CharField()
    extensions = serializers.ListField(child=serializers.CharField())


class InferenceErrorSerializer(Serializer):
    error = serializers.CharField()


class TensorKindSerializer(Serializer):
    name = serializers.CharField()
    datatype = serializers.ChoiceField(["FP32", "FP64", "BYTES"])
    shape = serializers.ListField(
        child=serializers.IntegerField(min_value=-1), help_text="-1 is any number of rows."
    )


class InferenceModelSerializer(Serializer):
    name = serializers.CharField()
    versions = serializers.ListField(child=serializers.CharField())
    platform = serializers.CharField()
    inputs = TensorKindSerializer(many=True)
    outputs = TensorKindSerializer(many=True)
    parameters = serializers.DictField(
        help_text="feature_order names the columns of the tensor “features”, separated by commas."
    )


class InferenceReadySerializer(Serializer):
    name = serializers.CharField()
    ready = serializers.BooleanField()


class TensorSerializer(Serializer):
    name = serializers.CharField(
        help_text=f"“features”, or each of {FEATURE_NAMES[0]}, {FEATURE_NAMES[1]}, …"
    )
    datatype = serializers.ChoiceField(["FP32", "FP64"])
    shape = serializers.ListField(child=serializers.IntegerField(min_value=0))
    parameters = serializers.DictField(
        required=False, help_text="binary_data_size: bytes of this tensor behind the JSON."
    )

    def get_fields(self) -> dict[str, Any]:
        # The name is the serializer's own, so it cannot be an attribute of the class.
        data = serializers.ListField(
            required=False, help_text="Numbers in one list or in lists of rows; null is missing."
        )
        return {**super().get_fields(), "data": data}


class WantedSerializer(Serializer):
    name = serializers.CharField()
    parameters = serializers.DictField(
        required=False, help_text="binary_data: whether it comes as bytes."
    )


class InferenceRequestSerializer(Serializer):
    id = serializers.CharField(required=False, help_text="Given back in the answer.")
    parameters = serializers.DictField(
        required=False,
        help_text="record: false leaves no record. binary_data_output: true sends bytes.",
    )
    inputs = TensorSerializer(many=True)
    outputs = WantedSerializer(many=True, required=False)


class AnsweredTensorSerializer(Serializer):
    name = serializers.CharField()
    datatype = serializers.ChoiceField(["FP64", "BYTES"])
    shape = serializers.ListField(child=serializers.IntegerField(min_value=0))

    def get_fields(self) -> dict[str, Any]:
        # As above.
        return {**super().get_fields(), "data": serializers.ListField()}


class InferenceAnswerSerializer(Serializer):
    model_name = serializers.CharField()
    model_version = serializers.CharField()
    id = serializers.CharField(required=False)
    parameters = serializers.DictField(
        help_text="role: why this version answered. processing_time_ms."
    )
    outputs = AnsweredTensorSerializer(many=True)
