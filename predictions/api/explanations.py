"""Why a prediction came out as it did: contributions, picture, similar shots, what to change."""

import hashlib
from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.utils import translation
from django.utils.cache import get_conditional_response, patch_vary_headers
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.core.api import idempotent, scope
from predictions.api.queries import choice, only, whole
from predictions.api.rights import MayLook
from predictions.api.shapes import VIEW
from predictions.engine.explanation.settings import SETTINGS
from predictions.models import Explanation, Prediction
from predictions.services import counterfactuals, explanations, likeness, lookup

SVG, PNG = "image/svg+xml", "image/png"
#: An explanation never changes; the language does, so caches must look at it.
CACHING = "private, max-age=86400, immutable"
LANGUAGES = ("en", "ko")


class ExplanationSerializer(serializers.ModelSerializer[Explanation]):
    prediction_id = serializers.UUIDField()
    importance = serializers.SerializerMethodField(
        help_text="What each feature added to the log-odds of a defect, the largest first. With "
        "base_value they add up to margin."
    )
    top_features = serializers.SerializerMethodField(help_text="The ten that added most.")
    base_value = serializers.FloatField(
        help_text="Log-odds of a defect before anything is known of the shot."
    )
    margin = serializers.FloatField(help_text="Log-odds of the probability that was answered.")
    visualization_url = serializers.SerializerMethodField(help_text="The waterfall as SVG.")
    method = serializers.CharField(help_text="How the contributions were found, step by step.")

    class Meta:
        model = Explanation
        fields = (
            "prediction_id",
            "importance",
            "top_features",
            "base_value",
            "margin",
            "probability",
            "method",
            "visualization_url",
            "created_at",
        )
        read_only_fields = fields

    def get_importance(self, explanation: Explanation) -> dict[str, float]:
        return dict(explanation.ranked)

    def get_top_features(self, explanation: Explanation) -> list[str]:
        return [name for name, _value in explanation.ranked[: explanations.N_TOP]]

    def get_visualization_url(self, explanation: Explanation) -> str:
        return f"/api/v1/predictions/{explanation.prediction_id}/explanation/waterfall.svg"


class ResemblingSerializer(serializers.Serializer[Any]):
    origin = serializers.ChoiceField(
        ["training", "reported"],
        help_text="training: of the data set that the version was made from; reported: a predicted "
        "shot whose outcome was reported.",
    )
    dataset = serializers.IntegerField(allow_null=True)
    row = serializers.IntegerField(allow_null=True, help_text="Row of the data set, from 0.")
    prediction_id = serializers.UUIDField(allow_null=True)
    outcome = serializers.ChoiceField(Prediction.Label.choices)
    distance = serializers.FloatField(
        help_text="Root mean square difference over the features, in robust standard deviations."
    )
    features = serializers.DictField(child=serializers.FloatField(allow_null=True))


class LikenessSerializer(serializers.Serializer[Any]):
    prediction_id = serializers.UUIDField()
    similar = ResemblingSerializer(many=True, source="shots")
    defect_share = serializers.FloatField(allow_null=True)
    n_compared = serializers.IntegerField(help_text="Past shots that were looked at.")


class SettingChangeSerializer(serializers.Serializer[Any]):
    feature = serializers.CharField()
    unit = serializers.CharField()
    before = serializers.FloatField()
    after = serializers.FloatField()
    low = serializers.FloatField(help_text="Least value that the version accepts.")
    high = serializers.FloatField(help_text="Greatest value that the version accepts.")


class AlternativeSerializer(serializers.Serializer[Any]):
    prediction_id = serializers.UUIDField()
    found = serializers.BooleanField(help_text="False: no allowed change is enough.")
    changes = SettingChangeSerializer(many=True)
    probability_before = serializers.FloatField()
    probability_after = serializers.FloatField(allow_null=True)
    threshold = serializers.FloatField(help_text="From this probability on it is a defect.")
    cost = serializers.FloatField(
        allow_null=True, help_text="Sum of the moves in robust standard deviations."
    )
    settings = serializers.ListField(
        child=serializers.CharField(), help_text="What was allowed to move."
    )


class ExplanationView(APIView):
    """The explanation of a prediction, made when it is first asked for."""

    permission_classes = [scope("predict", VIEW)]

    @extend_schema(
        summary="Explain a prediction",
        description="What each of the 30 features added to the log-odds of a defect. Stored with "
        "the prediction: asking again gives the same answer. Versions trained before explanations "
        "existed answer 409.",
        request=None,
        responses=ExplanationSerializer,
    )
    @idempotent
    def post(self, request: Request, pk: UUID) -> Response:
        return Response(ExplanationSerializer(explanations.explain(pk)).data)


LANGUAGE = OpenApiParameter(
    "lang", enum=LANGUAGES, description="Of the labels; else as Accept-Language asks."
)


class WaterfallView(APIView):
    """The explanation as a picture, drawn by the server."""

    permission_classes = [MayLook]

    @extend_schema(
        summary="Draw the waterfall of a prediction",
        parameters=[LANGUAGE],
        responses={(200, SVG): OpenApiResponse(OpenApiTypes.STR, "The picture.")},
    )
    def get(self, request: Request, pk: UUID) -> HttpResponse:
        prediction = lookup.find(pk)
        with translation.override(_language(request)):
            picture = explanations.draw(prediction, explanations.of_prediction(prediction))
        return _picture(request, picture.encode(), SVG)


class WaterfallPngView(APIView):
    """The same picture for documents and messages that take no SVG."""

    permission_classes = [MayLook]

    @extend_schema(
        summary="Paint the waterfall of a prediction as PNG",
        parameters=[LANGUAGE],
        responses={(200, PNG): OpenApiResponse(OpenApiTypes.BINARY, "The picture.")},
    )
    def get(self, request: Request, pk: UUID) -> HttpResponse:
        prediction = lookup.find(pk)
        with translation.override(_language(request)):
            picture = explanations.paint(prediction, explanations.of_prediction(prediction))
        return _picture(request, picture, PNG)


def _language(request: Request) -> str:
    only(request, "lang")
    return choice(request, "lang", LANGUAGES, translation.get_language() or "en")


class SimilarView(APIView):
    """Past shots that resemble the one predicted."""

    permission_classes = [MayLook]

    @extend_schema(
        summary="Find similar past shots and what became of them",
        parameters=[
            OpenApiParameter(
                "count",
                OpenApiTypes.INT,
                description="How many, from 1 to 50; 10 by default.",
            )
        ],
        responses=LikenessSerializer,
    )
    def get(self, request: Request, pk: UUID) -> Response:
        only(request, "count")
        found = likeness.similar(pk, count=whole(request, "count", likeness.DEFAULT_COUNT))
        body = {"prediction_id": pk, "defect_share": found.defect_share, **asdict(found)}
        return Response(LikenessSerializer(body).data)


class CounterfactualView(APIView):
    """The nearest change of settings that the model would have called good."""

    permission_classes = [MayLook]

    @extend_schema(
        summary="Find the nearest change that would have made the shot good",
        description="Searches the settings that an operator can change, within the ranges that the "
        "version accepts. It says what the model would answer, not what the machine would do.",
        parameters=[
            OpenApiParameter(
                "settings",
                description=f"What may be changed, separated by commas; all of these by default: "
                f"{', '.join(SETTINGS)}.",
            ),
            OpenApiParameter(
                "max_changes", OpenApiTypes.INT, description="Settings changed together, 1 to 3."
            ),
        ],
        responses=AlternativeSerializer,
    )
    def get(self, request: Request, pk: UUID) -> Response:
        only(request, "settings", "max_changes")
        given = request.query_params.get("settings")
        found = counterfactuals.nearest(
            pk,
            settings=SETTINGS if given is None else [name.strip() for name in given.split(",")],
            max_changes=whole(request, "max_changes", counterfactuals.MOST_CHANGES),
        )
        return Response(AlternativeSerializer({"prediction_id": pk, **asdict(found)}).data)


def _picture(request: Request, content: bytes, media_type: str) -> HttpResponse:
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    response = HttpResponse(content, content_type=media_type)
    response["ETag"] = etag
    response["Cache-Control"] = CACHING
    # Opened by itself it is a document: nothing in it may run or load.
    response["Content-Security-Policy"] = "default-src 'none'"
    patch_vary_headers(response, ("Accept-Language", "Authorization", "Cookie"))
    known: HttpResponse | None = get_conditional_response(
        request._request, etag=etag, response=response
    )
    return known or response
