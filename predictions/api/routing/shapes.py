"""What the routing addresses take and answer, for the OpenAPI document and for history."""

from typing import Any

from rest_framework import serializers

from portal.core.api.examples import example
from predictions.models import RoutingOutcome, RoutingPrediction

Serializer = serializers.Serializer[Any]


class StepSerializer(Serializer):
    sequence = serializers.IntegerField()
    operation = serializers.CharField()
    work_center = serializers.CharField()
    setup_minutes = serializers.FloatField(help_text="For a lot.")
    run_minutes = serializers.FloatField(help_text="For a piece.")


class ProposedStepSerializer(StepSerializer):
    setup_interval = serializers.ListField(
        child=serializers.FloatField(), help_text="Four in five actual times lie in it."
    )
    run_interval = serializers.ListField(child=serializers.FloatField())
    belief = serializers.FloatField(help_text="Probability that the item has this step.")
    agreement = serializers.FloatField(help_text="Share of the votes of similar items for it.")


class CandidateSerializer(Serializer):
    item_code = serializers.CharField()
    item_name = serializers.CharField(allow_blank=True)
    similarity = serializers.FloatField(help_text="From 0 to 1.")
    share = serializers.FloatField(help_text="Of the votes, for these operations.")
    is_proposed = serializers.BooleanField()
    routing = StepSerializer(many=True)


class OtherRoutingSerializer(Serializer):
    operations = serializers.ListField(child=serializers.CharField())
    weight = serializers.FloatField(help_text="Likelihood against the other alternatives.")
    is_repaired = serializers.BooleanField(help_text="No similar item has exactly these.")


class MatchedFeatureSerializer(Serializer):
    field = serializers.CharField()
    label_en = serializers.CharField()
    label_ko = serializers.CharField()
    value = serializers.JSONField(allow_null=True)
    nearest_value = serializers.JSONField(
        allow_null=True, help_text="Of the most similar item; null where texts are not kept."
    )
    contribution = serializers.FloatField(help_text="Part of the similarity.")
    possible = serializers.FloatField(help_text="What an equal value would add.")

    def get_fields(self) -> dict[str, Any]:
        # The label of a serializer is its own, so the name cannot be looked up there.
        return super().get_fields()


class AssumedFeatureSerializer(Serializer):
    field = serializers.CharField()
    label_en = serializers.CharField()
    label_ko = serializers.CharField()
    value = serializers.JSONField()
    share = serializers.FloatField(
        help_text="Of the votes: for this category, or for any value of a number."
    )


class SupportingItemSerializer(Serializer):
    item_code = serializers.CharField()
    item_name = serializers.CharField(allow_blank=True)
    similarity = serializers.FloatField()
    vote = serializers.FloatField()
    agrees = serializers.BooleanField()


class DisputedStepSerializer(Serializer):
    operation = serializers.CharField()
    is_proposed = serializers.BooleanField()
    agreement = serializers.FloatField(help_text="Share of the votes that decide alike.")
    belief = serializers.FloatField()
    item_codes = serializers.ListField(
        child=serializers.CharField(), help_text="The most similar items that decide otherwise."
    )


class RoutingExplanationSerializer(Serializer):
    matched_features = MatchedFeatureSerializer(many=True)
    differing_features = MatchedFeatureSerializer(many=True)
    similarity = serializers.FloatField()
    items = SupportingItemSerializer(many=True)
    disagreements = DisputedStepSerializer(many=True)
    is_repaired = serializers.BooleanField(help_text="No similar item has exactly this routing.")
    assumed_features = AssumedFeatureSerializer(
        many=True, help_text="What similar items have where this one's cells are empty."
    )


class RefusedSerializer(Serializer):
    code = serializers.CharField()
    reason = serializers.CharField()


class ProposalSerializer(Serializer):
    prediction_id = serializers.UUIDField(
        allow_null=True, help_text="null when it was not recorded."
    )
    refused = RefusedSerializer(
        allow_null=True,
        help_text="Why nothing is proposed for an item too unlike all known ones; else null.",
    )
    routing = ProposedStepSerializer(many=True, help_text="Empty when the item is refused.")
    candidates = CandidateSerializer(many=True, help_text="Known items with distinct routings.")
    alternatives = OtherRoutingSerializer(many=True)
    explanation = RoutingExplanationSerializer()
    probability = serializers.FloatField(
        help_text="That exactly these operations in this order are right; 0 when refused."
    )
    confidence = serializers.ChoiceField(RoutingPrediction.Confidence.choices)
    familiarity = serializers.FloatField(help_text="Likeness to known items in all fields alike.")
    threshold = serializers.FloatField(help_text="Familiarity below which items are refused.")
    total_minutes = serializers.FloatField(
        allow_null=True, help_text="Setup and run of all steps for one piece."
    )
    total_interval = serializers.ListField(child=serializers.FloatField(), allow_null=True)


class ProposedSerializer(ProposalSerializer):
    model_version = serializers.IntegerField()
    processing_time_ms = serializers.FloatField()


class ProposedBatchSerializer(Serializer):
    predictions = ProposalSerializer(many=True)
    model_version = serializers.IntegerField()
    processing_time_ms = serializers.FloatField()


@example({"item": {"item_name": "Pump housing", "material": "ALDC12"}, "top_k": 5})
class QuestionSerializer(Serializer):
    item = serializers.DictField(
        help_text="Columns of the item master by name; what is not known is left out or null. "
        "Dates as 2026-01-31."
    )
    top_k = serializers.IntegerField(
        required=False, min_value=1, max_value=50, help_text="Known items to show; 5 by default."
    )
    as_of = serializers.DateField(
        required=False,
        help_text="Day of planning, which decides what machines there are. By default the day the "
        "item was created, or else the latest day of training.",
    )


@example({"items": [{"item_name": "Pump housing"}, {"item_name": "Motor cover"}]})
class QuestionsSerializer(Serializer):
    items = serializers.ListField(child=serializers.DictField(), min_length=1, max_length=200)
    top_k = serializers.IntegerField(required=False, min_value=1, max_value=50)
    as_of = serializers.DateField(required=False)


class OutcomeStepSerializer(Serializer):
    sequence = serializers.IntegerField(
        required=False, min_value=1, max_value=99_999, help_text="10, 20, 30, … by default."
    )
    operation = serializers.CharField(max_length=60)
    work_center = serializers.CharField(max_length=60)
    setup_minutes = serializers.FloatField(min_value=0, max_value=100_000)
    run_minutes = serializers.FloatField(min_value=0, max_value=100_000)


@example({"accepted": True, "item_code": "H-2041"})
class DecisionSerializer(Serializer):
    accepted = serializers.BooleanField(
        required=False, help_text="True when the item is made as proposed."
    )
    routing = OutcomeStepSerializer(
        many=True, required=False, help_text="The routing it got instead, in order."
    )
    item_code = serializers.CharField(
        required=False, max_length=60, help_text="The code the item got, if the question had none."
    )


class KnownDecisionSerializer(serializers.ModelSerializer[RoutingOutcome]):
    prediction_id = serializers.UUIDField()
    model_version = serializers.IntegerField(source="prediction.version.number")
    routing = StepSerializer(many=True)

    class Meta:
        model = RoutingOutcome
        fields = (
            "id",
            "prediction_id",
            "model_version",
            "verdict",
            "item_code",
            "routing",
            "same_operations",
            "is_current",
            "reported_by",
            "recorded_at",
        )
        read_only_fields = fields


class RoutingPredictionSerializer(serializers.ModelSerializer[RoutingPrediction]):
    prediction_id = serializers.UUIDField(source="id")
    model = serializers.CharField(source="version.model.name")
    model_version = serializers.IntegerField(source="version.number")
    refused = serializers.BooleanField(source="is_refused")

    class Meta:
        model = RoutingPrediction
        fields: tuple[str, ...] = (
            "prediction_id",
            "at",
            "model",
            "model_version",
            "role",
            "item_code",
            "refused",
            "n_steps",
            "probability",
            "confidence",
            "familiarity",
            "latency_ms",
            "principal",
            "request_id",
        )
        read_only_fields = fields


class RoutingPredictionDetailSerializer(RoutingPredictionSerializer):
    item = serializers.DictField()
    answer = ProposalSerializer(help_text="As it was given.")
    outcomes = KnownDecisionSerializer(many=True, help_text="Decisions, the latest first.")

    class Meta(RoutingPredictionSerializer.Meta):
        fields = (*RoutingPredictionSerializer.Meta.fields, "item", "answer", "outcomes")
        read_only_fields = fields
