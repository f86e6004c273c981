"""Graphs tuned to a recall: asked for, and given to a collection."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.core.api import StrictSerializer, accepted, actor_of, idempotent, scope
from portal.core.api.examples import example
from portal.runs.api.serializers import RunSerializer
from search.lab import dispatch
from search.lab.engine.matrix import MAX_DIMENSION, MAX_SCALE, MIN_DIMENSION, MIN_SCALE

ADD = "lab.add_campaign"
BUILD, CONFIGURE = "search.build_index", "search.change_collection"


@example({"engine": "millwright", "recall": 0.95, "trials": 20, "scale": 10000})
class NewTuningSerializer(StrictSerializer):
    engine = serializers.CharField(
        default="millwright", help_text="hnswlib, faiss-hnsw-sq8 or millwright."
    )
    recall = serializers.FloatField(
        default=0.95,
        help_text="Least recall@10, to be reached by the lower end of its 95 % interval: 0.5 to "
        "0.999.",
    )
    trials = serializers.IntegerField(default=20, help_text="Graphs to build, 1 to 500.")
    scale = serializers.IntegerField(
        default=10_000,
        min_value=MIN_SCALE,
        max_value=MAX_SCALE,
        help_text="Generated passages; a collection has a size of its own.",
    )
    dimension = serializers.IntegerField(
        default=256,
        min_value=MIN_DIMENSION,
        max_value=MAX_DIMENSION,
        help_text="Length of the vectors.",
    )
    collection = serializers.CharField(
        default="",
        allow_blank=True,
        max_length=60,
        help_text="Tune on the passages of this collection instead of generated ones.",
    )
    seed = serializers.IntegerField(default=0, min_value=0, max_value=(1 << 63) - 1)


class ApplySerializer(StrictSerializer):
    collection = serializers.CharField(
        max_length=60, help_text="Whose next index is built with the graph."
    )


class TuningList(APIView):
    """Searches for a graph."""

    permission_classes = [scope("benchmark", ADD)]

    @extend_schema(
        summary="Tune a graph to a recall",
        description="Builds one graph a trial, finds for each the least search breadth that "
        "surely reaches the recall, and proves the fastest against the engine's defaults on "
        "questions that chose nothing. The result of the run holds parameters, options, the "
        "proof and every trial.",
        request=NewTuningSerializer,
        responses={status.HTTP_202_ACCEPTED: RunSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        from search.lab.services.tuning import Wish  # noqa: PLC0415 - it loads Optuna

        form = NewTuningSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        given: dict[str, Any] = dict(form.validated_data)
        wish = Wish(n_trials=given.pop("trials"), **given)
        run = dispatch.tune(wish=wish, actor=actor_of(request))
        return accepted(run, RunSerializer(run).data)


class TuningApply(APIView):
    """The graph of a tuning run for a collection."""

    permission_classes = [
        scope("benchmark", ADD),
        scope("search", BUILD),
        scope("search", CONFIGURE),
    ]

    @extend_schema(
        summary="Build a collection's next index with a tuned graph",
        description="Writes the graph into the build options of the collection and starts the "
        "build. The version is built in another way than the live one, so it goes live once a "
        "second person has approved its promotion. Refused (409) when the recall was not surely "
        "reached on the questions that prove, or the engine is not millwright.",
        request=ApplySerializer,
        responses={status.HTTP_202_ACCEPTED: RunSerializer},
    )
    @idempotent
    def post(self, request: Request, pk: UUID) -> Response:
        form = ApplySerializer(data=request.data)
        form.is_valid(raise_exception=True)
        run = dispatch.apply(
            result=dispatch.tuned(pk).result,
            collection=form.validated_data["collection"],
            actor=actor_of(request),
        )
        return accepted(run, RunSerializer(run).data)
