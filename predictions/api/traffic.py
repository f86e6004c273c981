"""Who answers for a model: champion, challenger with its share, shadow."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.core.api import StrictSerializer, actor_of, scope
from portal.registry.api.views import model_named
from predictions.models import MOST_SHARE
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
