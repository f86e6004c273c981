"""Start a retraining."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from portal.core.api import StrictSerializer, accepted, actor_of, idempotent, scope
from portal.runs.api.serializers import RunSerializer
from predictions import dispatch
from predictions.models import Dataset


class RetrainingSerializer(StrictSerializer):
    reason = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=1_000,
        help_text="Why; the promotion request repeats it.",
    )
    params = serializers.DictField(
        required=False, help_text="Training parameters; those left out are the champion's."
    )
    force = serializers.BooleanField(
        required=False, help_text="Train although nothing, or too little, is new."
    )


class RetrainingView(GenericAPIView[Any]):
    """Retrainings are runs; this starts one. Its result says how it ended, and why."""

    serializer_class = RetrainingSerializer
    permission_classes = [scope("train", "predictions.train_model")]
    queryset = Dataset.objects.none()

    @extend_schema(
        summary="Retrain a model on the latest labelled shots",
        request=RetrainingSerializer,
        responses={status.HTTP_202_ACCEPTED: RunSerializer},
    )
    @idempotent
    def post(self, request: Request, name: str) -> Response:
        form = RetrainingSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        values = form.validated_data
        run = dispatch.retrain(
            actor=actor_of(request),
            model_name=name,
            reason=values.get("reason", ""),
            params=values.get("params"),
            force=values.get("force", False),
        )
        return accepted(run, RunSerializer(run).data)
