"""What became of predicted shots: report it, look at it, see how good versions are."""

from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import generics, parsers, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.core.api import accepted, actor_of, idempotent, scope
from portal.core.api.authentication import principal_of
from portal.core.api.examples import example
from portal.core.api.parsers import StrictJSONParser
from portal.core.api.spans import MomentField, SpanSerializer
from portal.core.errors import NotFound
from portal.lib import clock
from portal.registry.models import ModelVersion
from portal.registry.selectors import champion
from portal.runs.api.serializers import RunSerializer
from predictions import dispatch, selectors
from predictions.api.queries import only, wrong
from predictions.models import Dataset, Outcome, Prediction
from predictions.services import feedback, reports
from predictions.services.models import MODEL_NAME

REPORT = "predictions.add_outcome"
LOOK = "predictions.view_outcome"
#: Outcomes in one JSON body, and rows in one file.
MOST = 10_000
MOST_ROWS = 200_000


class KnownOutcomeSerializer(serializers.ModelSerializer[Outcome]):
    prediction_id = serializers.UUIDField(allow_null=True)
    predicted = serializers.ChoiceField(
        Prediction.Label.choices, source="prediction.predicted_class", default=None
    )
    probability = serializers.FloatField(source="prediction.probability", default=None)
    model_version = serializers.IntegerField(source="prediction.version.number", default=None)

    class Meta:
        model = Outcome
        fields = (
            "id",
            "prediction_id",
            "line",
            "shot",
            "shot_at",
            "label",
            "observed_at",
            "recorded_at",
            "reported_by",
            "is_inspected",
            "is_current",
            "agrees",
            "surprise",
            "predicted",
            "probability",
            "model_version",
        )
        read_only_fields = fields


@example({"label": "defect", "inspected": True})
class OutcomeReportSerializer(serializers.Serializer[Any]):
    observed_at = serializers.DateTimeField(required=False, help_text="When it was seen; else now.")
    inspected = serializers.BooleanField(
        required=False, help_text="Whether a person looked at the part on purpose."
    )

    def get_fields(self) -> dict[str, Any]:
        # The name is the serializer's own, so it cannot be an attribute of the class.
        return {"label": serializers.ChoiceField(Prediction.Label.choices), **super().get_fields()}


class OutcomeOfSerializer(OutcomeReportSerializer):
    prediction_id = serializers.UUIDField(required=False)
    line = serializers.CharField(
        required=False, help_text="Name of the key that asked for the prediction."
    )
    shot = serializers.IntegerField(required=False, min_value=0)
    time = serializers.DateTimeField(
        required=False, help_text="Of the shot, within two minutes of its prediction."
    )


@example(
    {
        "outcomes": [
            {"line": "line3", "shot": 3, "time": "2026-03-10T13:00:00+09:00", "label": "defect"},
            {"prediction_id": "0198c0de-0000-7000-8000-000000000000", "label": "ok"},
        ]
    }
)
class OutcomesSerializer(serializers.Serializer[Any]):
    outcomes = serializers.ListField(child=OutcomeOfSerializer(), min_length=1, max_length=MOST)


class OutcomeFileSerializer(serializers.Serializer[Any]):
    file = serializers.FileField(help_text="CSV in UTF-8 whose header names the same members.")


class RefusalSerializer(serializers.Serializer[Any]):
    index = serializers.IntegerField(help_text="Place among the outcomes sent, from 0.")
    field = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()


class RecordedSerializer(serializers.Serializer[Any]):
    recorded = serializers.IntegerField(source="n_recorded")
    unchanged = serializers.IntegerField(source="n_unchanged", help_text="Said before.")
    waiting = serializers.IntegerField(
        source="n_waiting", help_text="Kept until the prediction of the shot is found."
    )

    def get_fields(self) -> dict[str, Any]:
        # The name is the serializer's own, so it cannot be an attribute of the class.
        return {**super().get_fields(), "errors": RefusalSerializer(source="refusals", many=True)}


class FigureSerializer(serializers.Serializer[Any]):
    value = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)


class WindowSerializer(serializers.Serializer[Any]):
    start = serializers.DateTimeField()
    n_predictions = serializers.IntegerField()
    n_labelled = serializers.IntegerField()
    f1 = serializers.FloatField(allow_null=True)
    defect_share = serializers.FloatField(allow_null=True)
    called_share = serializers.FloatField(allow_null=True)


class LiveQualitySerializer(serializers.Serializer[Any]):
    model = serializers.CharField()
    version = serializers.IntegerField()
    since = serializers.DateTimeField()
    until = serializers.DateTimeField(help_text="Younger predictions are not judged yet.")
    maturity_s = serializers.FloatField(
        help_text="Age at which a prediction is judged: nine of ten outcomes have come by then."
    )
    delay_s = serializers.DictField(
        child=serializers.FloatField(), allow_null=True, help_text="How late outcomes come."
    )
    n_predictions = serializers.IntegerField()
    n_labelled = serializers.IntegerField()
    n_maturing = serializers.IntegerField()
    coverage = serializers.FloatField(allow_null=True)
    metrics = serializers.DictField(child=FigureSerializer())
    confusion = serializers.DictField(child=serializers.IntegerField())
    windows = WindowSerializer(many=True)


class LiveQuestionSerializer(SpanSerializer):
    model = serializers.CharField(default=MODEL_NAME)
    model_version = serializers.IntegerField(required=False, help_text="The champion by default.")
    since = MomentField(required=False, help_text="Thirty days before the end by default.")
    until = MomentField(required=False)


@example({"name": "Labelled in March", "since": "2026-03-01T00:00:00+09:00"})
class LabelledSerializer(SpanSerializer):
    """Which known outcomes become a data set, and under what name."""

    name = serializers.CharField(max_length=200)
    model = serializers.CharField(default=MODEL_NAME)
    base = serializers.PrimaryKeyRelatedField(
        queryset=Dataset.objects.all(),
        required=False,
        allow_null=True,
        help_text="A labelled data set whose shots come first.",
    )
    max_rows = serializers.IntegerField(
        default=dispatch.MAX_COLLECTED, min_value=1, max_value=dispatch.MAX_COLLECTED
    )


class OutcomeFilter(filters.FilterSet):  # type: ignore[misc]  # untyped library
    prediction = filters.UUIDFilter("prediction_id")
    label = filters.ChoiceFilter(choices=Prediction.Label.choices)
    is_current = filters.BooleanFilter()
    is_waiting = filters.BooleanFilter("prediction", "isnull")
    agrees = filters.BooleanFilter()
    model = filters.CharFilter("prediction__version__model__name")
    model_version = filters.NumberFilter("prediction__version__number")
    since = filters.IsoDateTimeFilter("recorded_at", "gte")
    until = filters.IsoDateTimeFilter("recorded_at", "lt")

    class Meta:
        model = Outcome
        fields: tuple[str, ...] = ()


class DisagreementFilter(filters.FilterSet):  # type: ignore[misc]  # untyped library
    model = filters.CharFilter("prediction__version__model__name")
    model_version = filters.NumberFilter("prediction__version__number")

    class Meta:
        model = Outcome
        fields: tuple[str, ...] = ()


class PredictionOutcome(APIView):
    """What became of one predicted shot."""

    permission_classes = [scope("predict", REPORT)]

    @extend_schema(
        summary="Report what became of a shot",
        description="Late and corrected reports are welcome: every one is kept, and the last word "
        "counts, what was inspected before what was only reported. The same report again changes "
        "nothing and answers 200.",
        request=OutcomeReportSerializer,
        responses={200: KnownOutcomeSerializer, 201: KnownOutcomeSerializer},
    )
    @idempotent
    def post(self, request: Request, pk: UUID) -> Response:
        row, is_new = feedback.record_one(pk, _object(request), reported_by=_reporter(request))
        code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
        return Response(KnownOutcomeSerializer(row).data, status=code)


class OutcomeList(generics.ListAPIView[Outcome]):
    """Every outcome that was ever reported, the latest first."""

    queryset = Outcome.objects.select_related("prediction__version")
    serializer_class = KnownOutcomeSerializer
    filterset_class = OutcomeFilter
    parser_classes = [StrictJSONParser, parsers.MultiPartParser]
    ordering_fields = ("recorded_at",)
    ordering = "-recorded_at"

    def get_permissions(self) -> Any:
        is_report = self.request.method == "POST"
        return [scope("predict", REPORT)() if is_report else scope("read", LOOK)()]

    @extend_schema(
        summary="Report what became of many shots",
        description=f"Up to {MOST} outcomes as JSON, or a CSV file of up to {MOST_ROWS} rows. Each "
        "names a prediction_id, or line, shot and time. What can be understood is kept; “errors” "
        "names the others, and sending them again corrected repeats nothing.",
        request={
            "application/json": OutcomesSerializer,
            "multipart/form-data": OutcomeFileSerializer,
        },
        responses={200: RecordedSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        return Response(
            RecordedSerializer(feedback.record(_sent(request), reported_by=_reporter(request))).data
        )


class DisagreementList(generics.ListAPIView[Outcome]):
    """What turned out otherwise than predicted, the surest error first, until it is inspected."""

    queryset = selectors.disagreements()
    serializer_class = KnownOutcomeSerializer
    filterset_class = DisagreementFilter
    permission_classes = [scope("read", LOOK)]
    ordering_fields = ("surprise", "recorded_at")
    ordering = "-surprise"


class LiveQualityView(APIView):
    """How good a version is on the shots that it answered for."""

    permission_classes = [scope("read", LOOK)]

    @extend_schema(
        summary="Judge a version by what became of its shots",
        parameters=[LiveQuestionSerializer],
        responses=LiveQualitySerializer,
    )
    def get(self, request: Request) -> Response:
        form = LiveQuestionSerializer(data=request.query_params)
        only(request, *form.fields)
        form.is_valid(raise_exception=True)
        asked = form.validated_data
        found = selectors.live_quality(
            _version(asked["model"], asked.get("model_version")),
            now=clock.now(),
            since=asked.get("since"),
            until=asked.get("until"),
        )
        return Response(LiveQualitySerializer(found.to_dict()).data)


class LabelledDataset(generics.GenericAPIView[Any]):
    """Known outcomes as the next data set."""

    serializer_class = LabelledSerializer
    permission_classes = [scope("train", "predictions.import_dataset")]
    queryset = Dataset.objects.none()

    @extend_schema(
        summary="Make a data set of the shots whose outcome is known",
        request=LabelledSerializer,
        responses={status.HTTP_202_ACCEPTED: RunSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        form = LabelledSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        values = dict(form.validated_data)
        run = dispatch.collect_labelled(
            model_name=values.pop("model"), actor=actor_of(request), **values
        )
        return accepted(run, RunSerializer(run).data)


def _reporter(request: Request) -> str:
    principal = principal_of(request)
    return principal.name if principal else ""


def _object(request: Request) -> dict[str, Any]:
    if isinstance(request.data, dict):
        return dict(request.data)
    raise wrong("", _("The body must be an object with “label” and “observed_at”."))


def _sent(request: Request) -> Any:
    """Return the outcomes of a body, or the rows of a file."""
    if "file" in request.FILES:
        return reports.from_csv(request.FILES["file"].file, most=MOST_ROWS)
    body = request.data
    if isinstance(body, dict) and (unknown := [name for name in body if name != "outcomes"]):
        message = _("There is no such field; known are: %s.") % "outcomes"
        raise wrong(str(unknown[0])[:60], message)
    sent = body.get("outcomes") if isinstance(body, dict) else None
    if not isinstance(sent, list):
        raise wrong("outcomes", _("Send “outcomes”, a list of objects, or a CSV as “file”."))
    if not 1 <= len(sent) <= MOST:
        message = _("There are %(count)d outcomes: send 1 to %(most)d at once, or a file.")
        raise wrong("outcomes", message % {"count": len(sent), "most": MOST})
    return sent


def _version(model_name: str, number: int | None) -> ModelVersion:
    version = (
        champion(model_name)
        if number is None
        else ModelVersion.objects.select_related("model")
        .filter(model__name=model_name, number=number)
        .first()
    )
    if version is None:
        raise NotFound(_("There is no such version of %(model)s.") % {"model": model_name[:80]})
    return version
