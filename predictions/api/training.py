"""Start a training."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from portal.core.api import StrictSerializer, accepted, actor_of, idempotent, scope
from portal.core.api.examples import example
from portal.runs.api.serializers import RunSerializer
from predictions import dispatch
from predictions.models import Dataset


@example({"model": "diecasting-quality", "dataset": 1, "params": {"n_estimators": 300}, "seed": 7})
class TrainingSerializer(StrictSerializer):
    model = serializers.CharField(help_text="Name of the model, such as diecasting-quality.")
    dataset = serializers.PrimaryKeyRelatedField(queryset=Dataset.objects.all())
    params = serializers.DictField(
        required=False, help_text="Training parameters; those left out keep their defaults."
    )
    seed = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=2**31 - 1,
        help_text="For every random draw; drawn when left out, and recorded on the run.",
    )


class TrainingList(GenericAPIView[Any]):
    """Trainings are runs; this starts one."""

    serializer_class = TrainingSerializer
    permission_classes = [scope("train", "predictions.train_model")]
    queryset = Dataset.objects.none()

    @extend_schema(
        summary="Train a model on a data set",
        request=TrainingSerializer,
        responses={status.HTTP_202_ACCEPTED: RunSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        form = TrainingSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        values = form.validated_data
        run = dispatch.train(
            dataset=values["dataset"],
            actor=actor_of(request),
            params=values.get("params"),
            model_name=values["model"],
            seed=values.get("seed"),
        )
        return accepted(run, RunSerializer(run).data)
