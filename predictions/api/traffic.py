"""Who answers for a model: champion, challenger with its share, shadow."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.core.api import StrictSerializer, actor_of, scope
from portal.core.api.spans import MomentField, SpanSerializer
from portal.lib import clock
from portal.registry.api.views import model_named
from predictions import selectors
from predictions.api.outcomes import FigureSerializer, LiveQualitySerializer
from predictions.api.queries import only
from predictions.models import MOST_SHARE, Prediction
from predictions.services import traffic
from predictions.services.traffic import Traffic


class ShareSerializer(StrictSerializer):
    challenger_share = serializers.FloatField(
        help_text=f"Share of the requests that the challenger answers, from 0 to {MOST_SHARE:g}."
    )
    reason = serializers.CharField(help_text="Kept in the audit log.")


class TrafficSerializer(serializers.Serializer[Traffic]):
    model = serializers.CharField(source="model.name")
    champion = serializers.IntegerField(source="champion.number", default=None, allow_null=True)
    challenger = serializers.IntegerField(source="challenger.number", default=None, allow_null=True)
    shadow = serializers.IntegerField(source="shadow.number", default=None, allow_null=True)
    challenger_share = serializers.FloatField(
        source="share", help_text="0 when the last decision was for another challenger."
    )
    set_at = serializers.DateTimeField(source="split.set_at", default=None, allow_null=True)
    set_by = serializers.CharField(source="split.set_by", default=None, allow_null=True)
    reason = serializers.CharField(source="split.reason", default=None, allow_null=True)


class PairedSerializer(serializers.Serializer[Any]):
    answered = FigureSerializer()
    shadow = FigureSerializer()
    difference = FigureSerializer(help_text="Shadow less answered, on the same draws.")


class AnsweredSerializer(serializers.Serializer[Any]):
    model_version = serializers.IntegerField()
    role = serializers.ChoiceField(Prediction.Role.choices)
    n_predictions = serializers.IntegerField()
    called_share = serializers.FloatField(help_text="Share called a defect.")
    mean_probability = serializers.FloatField()
    mean_latency_ms = serializers.FloatField()
    first_at = serializers.DateTimeField()
    last_at = serializers.DateTimeField()


class AgreementSerializer(serializers.Serializer[Any]):
    answered_version = serializers.IntegerField()
    shadow_version = serializers.IntegerField()
    n_shots = serializers.IntegerField()
    n_scored = serializers.IntegerField(help_text="The shadow refused the rest.")
    agreement = serializers.FloatField(
        allow_null=True, help_text="Share on which both say the same."
    )
    n_only_answered = serializers.IntegerField(help_text="Called a defect by the answer alone.")
    n_only_shadow = serializers.IntegerField(help_text="Called a defect by the shadow alone.")
    mean_difference = serializers.FloatField(
        allow_null=True, help_text="Of the probabilities, shadow less answered."
    )
    mean_absolute = serializers.FloatField(allow_null=True)
    p95_absolute = serializers.FloatField(allow_null=True)
    largest = serializers.FloatField(allow_null=True)
    correlation = serializers.FloatField(allow_null=True)
    n_labelled = serializers.IntegerField()
    quality = serializers.DictField(
        child=PairedSerializer(),
        help_text="By metric, on the shots whose outcome is known; empty with fewer than thirty.",
    )


class ComparisonSerializer(serializers.Serializer[Any]):
    model = serializers.CharField()
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    answered = AnsweredSerializer(many=True)
    live = LiveQualitySerializer(
        many=True, help_text="How good each version is on the shots that it answered itself."
    )
    shadows = AgreementSerializer(many=True)


class ComparisonSpanSerializer(SpanSerializer):
    since = MomentField(required=False, help_text="By default thirty days back.")
    until = MomentField(required=False)


class ComparisonView(APIView):
    """The versions of a model side by side."""

    permission_classes = [scope("read", "predictions.view_shadowscore")]

    @extend_schema(
        summary="Compare the versions that answer for a model",
        description="How many predictions each version answered in which role, and how far the "
        "version in the shadow agrees with the answers. What became of the shots judges both: each "
        "version on its own, and answer and shadow on the same.",
        parameters=[ComparisonSpanSerializer],
        responses=ComparisonSerializer,
    )
    def get(self, request: Request, name: str) -> Response:
        only(request, "since", "until")
        span = ComparisonSpanSerializer(data=request.query_params)
        span.is_valid(raise_exception=True)
        found = selectors.compare(model_named(name), now=clock.now(), **span.validated_data)
        return Response(ComparisonSerializer(found.to_dict()).data)


class TrafficView(APIView):
    """Which versions answer for a model, and in which shares."""

    def get_permissions(self) -> list[Any]:
        if self.request.method == "PATCH":
            # Whoever may look may try: the service decides, and records whom it refused.
            return [scope("promote", "predictions.view_trafficsplit")()]
        return [scope("read", "predictions.view_trafficsplit")()]

    @extend_schema(summary="See which versions answer for a model", responses=TrafficSerializer)
    def get(self, request: Request, name: str) -> Response:
        return Response(TrafficSerializer(traffic.of_model(model_named(name))).data)

    @extend_schema(
        summary="Set the share of requests that the challenger answers",
        description="Takes the permission predictions.split_traffic, and a person who did not "
        "launch the training of the challenger. The share holds for this challenger alone: when "
        "the alias moves it is 0 again. Every process follows within two seconds.",
        request=ShareSerializer,
        responses=TrafficSerializer,
    )
    def patch(self, request: Request, name: str) -> Response:
        form = ShareSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        model = model_named(name)
        traffic.set_share(
            model=model,
            share=form.validated_data["challenger_share"],
            reason=form.validated_data["reason"],
            actor=actor_of(request),
        )
        return Response(TrafficSerializer(traffic.of_model(model)).data)
