"""Documents: sent as JSON or as files, looked at, deleted by the identifier of their sender."""

import datetime
import json
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.core import strict_json
from portal.core.api import StrictSerializer, accepted, actor_of, idempotent, scope
from portal.core.api.parsers import StrictJSONParser
from portal.core.errors import FieldProblem, InvalidInput, NotFound
from portal.runs.api.serializers import RunSerializer
from portal.runs.models import Run
from search import dispatch
from search.api import bodies
from search.models import Collection, Document
from search.services import collections, documents
from search.services.documents import KEEP, SKIP, Incoming, Upserted

LOOK, ADD, DELETE = "search.view_document", "search.add_document", "search.delete_document"
IMPORT = "search.import_document"
MEMBERS = ("collection", "documents", "duplicates")
FIELDS = ("external_id", "title", "text", "metadata", "taxonomy", "content_type", "date")
#: Of text members; the service says what it keeps of them.
LONGEST = 20_000_000


class DocumentListSerializer(serializers.ModelSerializer[Document]):
    collection = serializers.CharField(source="collection.name")

    class Meta:
        model = Document
        fields: tuple[str, ...] = (
            "external_id",
            "collection",
            "title",
            "taxonomy",
            "content_type",
            "date",
            "metadata",
            "n_chars",
            "source_name",
            "updated_at",
            "updated_by",
        )
        read_only_fields = fields


class DocumentSerializer(DocumentListSerializer):
    passages = serializers.SerializerMethodField(help_text="As they are found and cited.")
    notes = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = Document
        fields = (*DocumentListSerializer.Meta.fields, "notes", "passages")
        read_only_fields = fields

    def get_passages(self, document: Document) -> list[dict[str, Any]]:
        return [
            {"id": one.id, "text": one.text, "headings": list(one.headings)}
            for one in documents.passages_of(document)
        ]


class SentDocumentSerializer(serializers.Serializer[Any]):
    external_id = serializers.CharField(max_length=500, help_text="It replaces what was sent so.")
    title = serializers.CharField(required=False, max_length=500)
    text = serializers.CharField(help_text="Plain text; empty lines divide paragraphs.")
    metadata = serializers.DictField(required=False, help_text="Names and values to filter by.")
    taxonomy = serializers.CharField(required=False, max_length=500, help_text="As “a/b/c”.")
    content_type = serializers.CharField(required=False, max_length=100)
    date = serializers.DateField(required=False, allow_null=True)


class SentSerializer(serializers.Serializer[Any]):
    collection = serializers.SlugField(max_length=60)
    documents = SentDocumentSerializer(many=True, help_text="1 to 1,000; all are kept or none.")
    duplicates = serializers.ChoiceField(
        [KEEP, SKIP], default=KEEP, help_text="What to do with the text of another document."
    )


class DuplicateSerializer(serializers.Serializer[Any]):
    external_id = serializers.CharField()
    same_as = serializers.CharField()


class KeptSerializer(serializers.Serializer[Any]):
    collection = serializers.CharField()
    created = serializers.IntegerField()
    updated = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    duplicates = DuplicateSerializer(many=True)
    sequence = serializers.IntegerField(help_text="Number of the collection's last change.")
    build = serializers.UUIDField(
        allow_null=True, help_text="The run that builds an index, if this change needs one."
    )


class FileSerializer(StrictSerializer):
    file = serializers.FileField(
        allow_empty_file=True, help_text="Markdown, text, HTML, PDF, DOCX or CSV."
    )
    collection = serializers.CharField(max_length=60)
    external_id = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=500, help_text="The file name."
    )
    title = serializers.CharField(required=False, default="", allow_blank=True, max_length=500)
    taxonomy = serializers.CharField(required=False, default="", allow_blank=True, max_length=500)
    content_type = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=100
    )
    metadata = serializers.CharField(
        required=False, default="", allow_blank=True, help_text="A JSON object."
    )
    duplicates = serializers.ChoiceField([KEEP, SKIP], default=SKIP)


class DocumentSink(APIView):
    """Send documents."""

    parser_classes = [StrictJSONParser, MultiPartParser]

    def get_permissions(self) -> list[Any]:
        is_file = (self.request.content_type or "").startswith("multipart/")
        return [scope("search", IMPORT if is_file else ADD)()]

    @extend_schema(
        summary="Send documents, or a file",
        description="JSON is kept at once and searchable within 5 s; a file is read by a run, "
        "whose report names what was skipped.",
        request={"application/json": SentSerializer, "multipart/form-data": FileSerializer},
        responses={200: KeptSerializer, 202: RunSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        if (request.content_type or "").startswith("multipart/"):
            run = _file(request)
            return accepted(run, RunSerializer(run).data)
        given = bodies.members(request.data, MEMBERS)
        collection = _collection(given)
        kept = documents.upsert(
            collection=collection,
            documents=_incoming(given.get("documents")),
            actor=actor_of(request),
            duplicates=_duplicates(given.get("duplicates", KEEP)),
        )
        build = dispatch.build_if_needed(collection=collection, actor=actor_of(request))
        return Response(_kept(collection, kept, build))


def _collection(given: Mapping[str, Any]) -> Collection:
    return collections.get(bodies.text(given, "collection", "", bodies.LONGEST_NAME))


def _kept(collection: Collection, kept: Upserted, build: Run | None) -> dict[str, Any]:
    return {
        "collection": collection.name,
        "created": kept.n_created,
        "updated": kept.n_updated,
        "unchanged": kept.n_unchanged,
        "duplicates": [{"external_id": name, "same_as": other} for name, other in kept.duplicates],
        "sequence": kept.sequence,
        "build": build.pk if build else None,
    }


def _duplicates(value: Any) -> str:
    if value in (KEEP, SKIP):
        return str(value)
    message = _("“duplicates” is %(seen)s: use one of %(names)s.") % {
        "seen": bodies.shown(value),
        "names": f"{KEEP}, {SKIP}",
    }
    raise bodies.wrong("duplicates", message)


def _incoming(rows: Any) -> list[Incoming]:
    if not isinstance(rows, list):
        message = _("“documents” is %(seen)s: send a list of objects.")
        raise bodies.wrong("documents", message % {"seen": bodies.shown(rows)})
    problems: list[FieldProblem] = []
    found: list[Incoming] = []
    for number, row in enumerate(rows[: documents.MOST_AT_ONCE + 1]):
        try:
            found.append(_one(row, f"documents[{number}]"))
        except InvalidInput as exc:
            problems += exc.problems
    if problems:
        raise InvalidInput(problems[0].message, code=problems[0].code, problems=problems[:100])
    return found


def _one(row: Any, place: str) -> Incoming:
    given = bodies.members(row, FIELDS, place)
    words = {
        name: bodies.text(given, name, place, LONGEST, default=default)
        for name, default in (
            ("external_id", None),
            ("text", None),
            ("title", ""),
            ("taxonomy", ""),
            ("content_type", ""),
        )
    }
    metadata = given.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        message = _("“metadata” is %(seen)s: send an object of names and values.")
        raise bodies.wrong("metadata", message % {"seen": bodies.shown(metadata)}, place)
    return Incoming(
        external_id=words["external_id"],
        text=words["text"],
        title=words["title"],
        taxonomy=words["taxonomy"],
        content_type=words["content_type"],
        metadata=metadata or {},
        date=_date(given.get("date"), place),
    )


def _date(value: Any, place: str) -> datetime.date | None:
    if value is None:
        return None
    try:
        return datetime.date.fromisoformat(value)
    except (TypeError, ValueError) as exc:
        message = _("“date” is %(seen)s: send a date as 2026-01-31.")
        raise bodies.wrong("date", message % {"seen": bodies.shown(value)}, place) from exc


def _file(request: Request) -> Run:
    form = FileSerializer(data=request.data)
    form.is_valid(raise_exception=True)
    given = form.validated_data
    collection = collections.get(given["collection"])
    upload = given["file"]
    return dispatch.import_file(
        collection=collection,
        content=upload.file,
        name=upload.name,
        actor=actor_of(request),
        external_id=given["external_id"],
        title=given["title"],
        taxonomy=given["taxonomy"],
        content_type=given["content_type"],
        metadata=_metadata(given["metadata"]),
        duplicates=given["duplicates"],
    )


def _metadata(text: str) -> dict[str, Any]:
    if not text.strip():
        return {}
    try:
        found = strict_json.loads(text.encode())
    except (strict_json.StrictJSONError, UnicodeEncodeError, json.JSONDecodeError):
        found = None
    if not isinstance(found, dict):
        message = _("“metadata” is %(seen)s: send a JSON object.")
        raise bodies.wrong("metadata", message % {"seen": bodies.shown(text)})
    return found


class DocumentDetail(APIView):
    """One document."""

    def get_permissions(self) -> list[Any]:
        return [scope("search", DELETE if self.request.method == "DELETE" else LOOK)()]

    @extend_schema(summary="Look at a document", responses=DocumentSerializer)
    def get(self, request: Request, collection: str, external_id: str) -> Response:
        found = documents.get(collection=collections.get(collection), external_id=external_id)
        return Response(DocumentSerializer(found).data)

    @extend_schema(summary="Delete a document", request=None, responses={204: None})
    def delete(self, request: Request, collection: str, external_id: str) -> Response:
        known = collections.get(collection)
        n_deleted = documents.delete(
            collection=known, external_ids=[external_id], actor=actor_of(request)
        )
        if not n_deleted:
            raise NotFound(
                _("The collection “%(collection)s” holds no document “%(id)s”.")
                % {"collection": known.name, "id": external_id[:80]},
                code="document_not_found",
            )
        return Response(status=status.HTTP_204_NO_CONTENT)


class DocumentList(generics.ListAPIView[Document]):
    """The documents of a collection, without their text."""

    serializer_class = DocumentListSerializer
    permission_classes = [scope("search", LOOK)]
    queryset = Document.objects.none()
    filterset_fields = ("taxonomy", "content_type", "date")
    ordering_fields = ("external_id", "updated_at")
    ordering = "external_id"

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return Document.objects.none()
        collection = collections.get(self.kwargs["collection"])
        rows = Document.objects.listed().filter(collection=collection)
        return rows.select_related("collection")
