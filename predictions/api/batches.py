"""Whole files: start a prediction, see how far it is, fetch or stop it."""

from typing import Any
from uuid import UUID

from django import forms
from django.db import transaction
from django.http import FileResponse
from django.utils.translation import gettext as _
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_field,
)
from rest_framework import generics, serializers, status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.core.api import StrictSerializer, accepted, actor_of, idempotent, scope
from portal.core.api.parsers import StrictJSONParser
from portal.core.errors import Conflict, FieldProblem, InvalidInput, NotFound
from portal.runs import artifacts
from portal.runs import services as runs
from portal.runs.api.serializers import ProgressSerializer, RunErrorSerializer, RunSerializer
from portal.runs.models import Artifact, Run, RunArtifact, State
from predictions import dispatch
from predictions.api.queries import choice, only
from predictions.api.rights import MayLook
from predictions.models import Dataset
from predictions.services import file_runs
from predictions.services.models import MODEL_NAME

START = "predictions.predict_file"
FORMS = tuple(name.rpartition(".")[2] for name in file_runs.RESULTS)


class NewBatchSerializer(StrictSerializer):
    file = serializers.FileField(
        required=False,
        allow_empty_file=True,
        help_text="CSV with one or two header rows (UTF-8, UTF-16 or CP949), or Parquet.",
    )
    dataset = serializers.PrimaryKeyRelatedField(
        queryset=Dataset.objects.all(), required=False, help_text="Instead of a file."
    )
    model = serializers.CharField(default=MODEL_NAME)
    version = serializers.IntegerField(
        required=False, min_value=1, help_text="By default the champion at this moment."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("file" in attrs) == ("dataset" in attrs):
            message = _("Send either “file” or “dataset”.")
            problem = FieldProblem("file", "one_of", message)
            raise InvalidInput(message, problems=[problem])
        return attrs


class ResultSerializer(serializers.Serializer[RunArtifact]):
    url = serializers.SerializerMethodField()
    sha256 = serializers.CharField(source="artifact_id")
    size_bytes = serializers.IntegerField(source="artifact.size_bytes")

    def get_url(self, kept: RunArtifact) -> str:
        form = kept.name.rpartition(".")[2]
        return f"/api/v1/batch-predictions/{kept.run_id}/result/?form={form}"


class BatchSerializer(serializers.ModelSerializer[Run]):
    model = serializers.CharField(source="parameters.model")
    model_version = serializers.IntegerField(source="parameters.version")
    input_name = serializers.CharField(source="parameters.input_name")
    dataset = serializers.IntegerField(source="parameters.dataset", allow_null=True)
    progress = ProgressSerializer(source="*", read_only=True)
    error = serializers.SerializerMethodField()
    rows = serializers.SerializerMethodField(help_text="null until the file is finished.")
    ok = serializers.SerializerMethodField()
    invalid = serializers.SerializerMethodField(
        help_text="Rows that have a reason instead of a class."
    )
    blank_lines = serializers.SerializerMethodField(help_text="Lines passed over as no rows.")
    results = serializers.SerializerMethodField(
        help_text="By form, parquet and csv; empty until finished and again past retention."
    )
    started_by = serializers.CharField(source="started_by.username", default=None, allow_null=True)

    class Meta:
        model = Run
        fields = (
            "id",
            "state",
            "model",
            "model_version",
            "input_name",
            "dataset",
            "progress",
            "error",
            "rows",
            "ok",
            "invalid",
            "blank_lines",
            "results",
            "attempt",
            "started_by",
            "created_at",
            "started_at",
            "finished_at",
        )
        read_only_fields = fields

    @extend_schema_field(RunErrorSerializer(allow_null=True))
    def get_error(self, run: Run) -> Any:
        return RunErrorSerializer(run).data if run.error_code else None

    def get_rows(self, run: Run) -> int | None:
        return self._count(run, "rows")

    def get_ok(self, run: Run) -> int | None:
        return self._count(run, "ok")

    def get_invalid(self, run: Run) -> int | None:
        return self._count(run, "invalid")

    def get_blank_lines(self, run: Run) -> int | None:
        return self._count(run, "blank_lines")

    @extend_schema_field(serializers.DictField(child=ResultSerializer()))
    def get_results(self, run: Run) -> Any:
        return {
            kept.name.rpartition(".")[2]: ResultSerializer(kept).data
            for kept in run.run_artifacts.all()
            if kept.name in file_runs.RESULTS and run.state == State.SUCCEEDED
        }

    def _count(self, run: Run, name: str) -> int | None:
        value = run.result.get(name)
        return value if isinstance(value, int) else None


class WholeNumberFilter(filters.NumberFilter):  # type: ignore[misc]  # untyped library
    """A number that may be compared with one inside JSON, which knows no decimals."""

    field_class = forms.IntegerField


class BatchFilter(filters.FilterSet):  # type: ignore[misc]  # untyped library
    state = filters.MultipleChoiceFilter(choices=State.choices)
    model = filters.CharFilter("parameters__model")
    dataset = WholeNumberFilter("parameters__dataset")
    since = filters.IsoDateTimeFilter("created_at", "gte")
    until = filters.IsoDateTimeFilter("created_at", "lt")

    class Meta:
        model = Run
        fields: tuple[str, ...] = ()


class BatchList(generics.ListAPIView[Run]):
    """Files that were predicted or are being predicted, the latest first."""

    queryset = file_runs.of_files()
    serializer_class = BatchSerializer
    filterset_class = BatchFilter
    ordering_fields = ("created_at",)
    ordering = "-created_at"
    parser_classes = [MultiPartParser, StrictJSONParser]

    def get_permissions(self) -> list[Any]:
        if self.request.method == "POST":
            return [scope("predict", START)()]
        return [MayLook()]

    @extend_schema(
        summary="Predict every row of a file or data set",
        description="The rows are not recorded as predictions: the result, under its digest, is "
        "the record. Every row comes out once, with a class or with a reason.",
        request={
            "multipart/form-data": NewBatchSerializer,
            "application/json": NewBatchSerializer,
        },
        responses={status.HTTP_202_ACCEPTED: RunSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        form = NewBatchSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        values = form.validated_data
        words = {
            "actor": actor_of(request),
            "model_name": values["model"],
            "version": values.get("version"),
        }
        if "dataset" in values:
            run = dispatch.predict_file(source=values["dataset"], **words)
        else:
            run = _of_upload(values["file"], words)
        return accepted(run, RunSerializer(run).data)


def _of_upload(upload: Any, words: dict[str, Any]) -> Run:
    from predictions.services import file_batches  # noqa: PLC0415 - pyarrow is large

    # Before the file is kept, so that a refusal leaves nothing behind.
    file_runs.choose_version(words["model_name"], words["version"])
    with transaction.atomic():
        kept: Artifact = file_batches.keep_input(upload.file)
        return dispatch.predict_file(source=kept, source_name=upload.name, **words)


def _batch(pk: UUID) -> Run:
    run = file_runs.of_files().filter(pk=pk).first()
    if run is None:
        raise NotFound(_("There is no file prediction %(id)s.") % {"id": pk})
    return run


class BatchDetail(APIView):
    """One file: how far it is, and what came of it."""

    permission_classes = [MayLook]

    @extend_schema(summary="Look at the prediction of a file", responses=BatchSerializer)
    def get(self, request: Request, pk: UUID) -> Response:
        return Response(BatchSerializer(_batch(pk)).data)


class BatchResult(APIView):
    """What came of a file."""

    permission_classes = [MayLook]

    @extend_schema(
        summary="Fetch the result of a file",
        parameters=[OpenApiParameter("form", enum=FORMS, description="By default parquet.")],
        responses={
            (200, "application/octet-stream"): OpenApiResponse(OpenApiTypes.BINARY, "The file."),
        },
    )
    def get(self, request: Request, pk: UUID) -> FileResponse:
        only(request, "form")
        name = f"predictions.{choice(request, 'form', FORMS, FORMS[0])}"
        run = _batch(pk)
        kept = run.run_artifacts.filter(name=name).first()
        if run.state != State.SUCCEEDED or kept is None:
            raise _no_result(run)
        with artifacts.open_verified(kept.artifact_id) as path:
            stream = path.open("rb")  # stays readable when the copy is removed
        return FileResponse(
            stream,
            as_attachment=True,
            filename=f"{run.pk}.{name.rpartition('.')[2]}",
            content_type=file_runs.RESULTS[name],
            headers={"ETag": f'"{kept.artifact_id}"', "X-Content-Type-Options": "nosniff"},
        )


def _no_result(run: Run) -> Conflict:
    if run.state == State.SUCCEEDED:
        return Conflict(
            _("The result is past retention and was removed: predict the file again."),
            code="result_removed",
        )
    return Conflict(
        _("The run is “%(state)s”; there is a result once it has succeeded.")
        % {"state": run.get_state_display()},
        code="not_finished",
    )


class BatchCancel(APIView):
    """Stop the prediction of a file."""

    permission_classes = [scope("predict", START)]

    @extend_schema(summary="Stop the prediction of a file", request=None, responses=BatchSerializer)
    @idempotent
    def post(self, request: Request, pk: UUID) -> Response:
        runs.cancel(run_id=_batch(pk).pk, actor=actor_of(request))
        return Response(BatchSerializer(_batch(pk)).data)
