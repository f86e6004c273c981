"""Data sets: import a file, list, look at one."""

from typing import Any

from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import generics, parsers, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from portal.core.api import StrictSerializer, actor_of, idempotent, scope
from predictions.models import Dataset


class ColumnSerializer(serializers.Serializer[dict[str, str]]):
    name = serializers.CharField()
    role = serializers.ChoiceField(["feature", "flag", "label", "metadata"])
    dtype = serializers.CharField()
    unit = serializers.CharField()
    group = serializers.CharField(required=False)
    label_en = serializers.CharField(required=False)
    label_ko = serializers.CharField(required=False)


class DatasetSummarySerializer(serializers.ModelSerializer[Dataset]):
    rows = serializers.IntegerField(source="n_rows")
    created_by = serializers.CharField(source="created_by.username", default=None, allow_null=True)

    class Meta:
        model = Dataset
        fields: tuple[str, ...] = (
            "id",
            "name",
            "kind",
            "fingerprint",
            "rows",
            "is_synthetic",
            "source_name",
            "copy_of",
            "created_by",
            "created_at",
        )
        read_only_fields = fields


class DatasetSerializer(DatasetSummarySerializer):
    schema = ColumnSerializer(many=True)
    profile = serializers.DictField()
    lineage = serializers.DictField(help_text="What the portal made it from; empty for an upload.")

    class Meta(DatasetSummarySerializer.Meta):
        fields = (
            *DatasetSummarySerializer.Meta.fields,
            "source_sha256",
            "lineage",
            "schema",
            "profile",
        )
        read_only_fields = fields


class DatasetUploadSerializer(StrictSerializer):
    file = serializers.FileField(
        allow_empty_file=True,
        help_text="CSV with one or two header rows (UTF-8, UTF-16 or CP949), or Parquet.",
    )
    name = serializers.CharField(max_length=200)
    kind = serializers.ChoiceField(Dataset.Kind.choices, default=Dataset.Kind.QUALITY)
    allow_duplicate = serializers.BooleanField(
        default=False, help_text="Import content again that was imported before."
    )


class DatasetFilter(filters.FilterSet):  # type: ignore[misc]  # untyped library
    class Meta:
        model = Dataset
        fields = ("kind", "fingerprint", "is_synthetic")


class DatasetList(generics.ListAPIView[Dataset]):
    """Data sets, and the import of another."""

    queryset = Dataset.objects.select_related("created_by")
    serializer_class = DatasetSummarySerializer
    filterset_class = DatasetFilter
    ordering_fields = ("created_at", "name")
    ordering = "-created_at"
    parser_classes = [parsers.MultiPartParser]

    def get_permissions(self) -> list[Any]:
        if self.request.method == "POST":
            return [scope("train", "predictions.import_dataset")()]
        return [scope("read", "predictions.view_dataset")()]

    @extend_schema(
        summary="Import a data set",
        request={"multipart/form-data": DatasetUploadSerializer},
        responses={status.HTTP_201_CREATED: DatasetSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        from predictions.services.datasets import import_dataset  # noqa: PLC0415 - pyarrow is large

        form = DatasetUploadSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        values = form.validated_data
        upload = values.pop("file")
        dataset = import_dataset(
            source=upload.file, source_name=upload.name, actor=actor_of(request), **values
        )
        address = f"/api/v1/datasets/{dataset.pk}/"
        return Response(
            DatasetSerializer(dataset).data,
            status=status.HTTP_201_CREATED,
            headers={"Location": address},
        )


class DatasetDetail(generics.RetrieveAPIView[Dataset]):
    """One data set with its schema and quality profile."""

    queryset = Dataset.objects.select_related("created_by")
    serializer_class = DatasetSerializer
    permission_classes = [scope("read", "predictions.view_dataset")]
