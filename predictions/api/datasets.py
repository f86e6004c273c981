"""Data sets: import a file, list, look at one."""

from typing import Any

from django.utils.translation import gettext as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import generics, parsers, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from portal.core.actors import Actor
from portal.core.api import StrictSerializer, actor_of, idempotent, scope
from predictions.models import Dataset

#: The files that each kind of data set is imported from.
FILES = {
    Dataset.Kind.QUALITY: ("file",),
    Dataset.Kind.ROUTING: ("items", "routings"),
}


class ColumnSerializer(serializers.Serializer[dict[str, str]]):
    name = serializers.CharField()
    role = serializers.ChoiceField(
        ["feature", "flag", "label", "metadata", "item", "step"],
        help_text="“item” and “step” of a data set of routings.",
    )
    dtype = serializers.CharField()
    unit = serializers.CharField()
    kind = serializers.CharField(required=False)
    group = serializers.CharField(required=False)
    low = serializers.FloatField(required=False, allow_null=True)
    high = serializers.FloatField(required=False, allow_null=True)
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
        required=False,
        allow_empty_file=True,
        help_text="Shots: CSV with one or two header rows (UTF-8, UTF-16 or CP949), or Parquet.",
    )
    items = serializers.FileField(
        required=False,
        allow_empty_file=True,
        help_text="With the kind “routing”: the item master, as CSV (UTF-8 or CP949) or Parquet.",
    )
    routings = serializers.FileField(
        required=False,
        allow_empty_file=True,
        help_text="With the kind “routing”: the routing table, as CSV or Parquet.",
    )
    name = serializers.CharField(max_length=200)
    kind = serializers.ChoiceField(Dataset.Kind.choices, default=Dataset.Kind.QUALITY)
    allow_duplicate = serializers.BooleanField(
        default=False, help_text="Import content again that was imported before."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for the files of the kind, and for no others."""
        wanted = FILES[attrs["kind"]]
        problems = {
            name: [_wrong_file(name, attrs["kind"], is_wanted=name in wanted)]
            for name in ("file", "items", "routings")
            if (name in attrs) != (name in wanted)
        }
        if problems:
            raise serializers.ValidationError(problems)
        return attrs


def _wrong_file(name: str, kind: str, *, is_wanted: bool) -> str:
    if is_wanted:
        message = _("A data set of the kind “%(kind)s” needs the file “%(name)s”.")
    else:
        message = _("A data set of the kind “%(kind)s” takes no file “%(name)s”.")
    return message % {"kind": kind, "name": name}


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
        form = DatasetUploadSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        dataset = _imported(form.validated_data, actor_of(request))
        address = f"/api/v1/datasets/{dataset.pk}/"
        return Response(
            DatasetSerializer(dataset).data,
            status=status.HTTP_201_CREATED,
            headers={"Location": address},
        )


def _imported(values: dict[str, Any], actor: Actor) -> Dataset:
    if values["kind"] == Dataset.Kind.ROUTING:
        from predictions.services.routing import datasets as routing  # noqa: PLC0415 - as below

        return routing.import_routings(
            items=routing.Upload(values["items"].file, values["items"].name),
            routings=routing.Upload(values["routings"].file, values["routings"].name),
            name=values["name"],
            actor=actor,
            allow_duplicate=values["allow_duplicate"],
        )
    from predictions.services.datasets import import_dataset  # noqa: PLC0415 - pyarrow is large

    upload = values["file"]
    return import_dataset(
        source=upload.file,
        source_name=upload.name,
        name=values["name"],
        kind=values["kind"],
        actor=actor,
        allow_duplicate=values["allow_duplicate"],
    )


class DatasetDetail(generics.RetrieveAPIView[Dataset]):
    """One data set with its schema and quality profile."""

    queryset = Dataset.objects.select_related("created_by")
    serializer_class = DatasetSerializer
    permission_classes = [scope("read", "predictions.view_dataset")]
