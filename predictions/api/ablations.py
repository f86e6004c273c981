"""Ablation campaigns: start one, look at its comparison."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from portal.core.api import StrictSerializer, accepted, actor_of, idempotent, scope
from portal.runs.api.serializers import RunSerializer
from predictions import dispatch
from predictions.engine.features import FEATURE_SETS
from predictions.engine.learners.families import FAMILIES
from predictions.engine.parameters import CHOICE_SPECS
from predictions.models import Dataset
from predictions.services import comparisons

LATENT = next(spec.values for spec in CHOICE_SPECS if spec.name == "n_latent")
AXES = ("features", "n_latent", "learners")


class AblationSerializer(StrictSerializer):
    dataset = serializers.PrimaryKeyRelatedField(queryset=Dataset.objects.all())
    features = serializers.ListField(
        child=serializers.ChoiceField(list(FEATURE_SETS)), required=False, allow_empty=False
    )
    n_latent = serializers.ListField(
        child=serializers.ChoiceField(list(LATENT)), required=False, allow_empty=False
    )
    learners = serializers.ListField(
        child=serializers.ChoiceField(list(FAMILIES)),
        required=False,
        allow_empty=False,
        help_text="What is varied; an axis that is left out keeps the reference's own value.",
    )
    params = serializers.DictField(
        required=False,
        help_text="Training parameters of the reference, which all cells are compared with; those "
        "left out keep their defaults.",
    )
    seed = serializers.IntegerField(required=False, min_value=0, max_value=2**31 - 1)


class AblationComparisonSerializer(serializers.Serializer[Any]):
    run = RunSerializer()
    table = serializers.DictField(
        allow_null=True,
        help_text="Cells with intervals, the best first; gain is PR AUC above the reference, "
        "paired. Grows with every cell; null before the first.",
    )


class AblationList(GenericAPIView[Any]):
    """Campaigns are runs; this starts one."""

    serializer_class = AblationSerializer
    permission_classes = [scope("train", "predictions.train_model")]
    queryset = Dataset.objects.none()

    @extend_schema(
        summary="Compare features, latent sizes and learners on one data set",
        request=AblationSerializer,
        responses={status.HTTP_202_ACCEPTED: RunSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        form = AblationSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        values = form.validated_data
        run = dispatch.ablate(
            dataset=values["dataset"],
            actor=actor_of(request),
            params=values.get("params"),
            axes={axis: values[axis] for axis in AXES if axis in values},
            seed=values.get("seed"),
        )
        return accepted(run, RunSerializer(run).data)


class AblationDetail(GenericAPIView[Any]):
    """One campaign with its comparison."""

    serializer_class = AblationComparisonSerializer
    permission_classes = [scope("read", "runs.view_run")]
    queryset = Dataset.objects.none()

    @extend_schema(summary="Show a campaign's comparison", responses=AblationComparisonSerializer)
    def get(self, request: Request, pk: UUID) -> Response:
        found = comparisons.find(pk)
        body = {"run": found, "table": comparisons.table(found)}
        return Response(AblationComparisonSerializer(body).data)
