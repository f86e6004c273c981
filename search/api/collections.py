"""Collections: made, changed, looked at; the versions of their indexes and new builds."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.core.api import StrictSerializer, accepted, actor_of, idempotent, scope
from portal.registry.models import ModelVersion
from portal.runs.api.serializers import RunSerializer
from search import dispatch, selectors
from search.api import bodies
from search.api.search import LOOK
from search.models import Collection
from search.services import collections, removal, searching

ADD, CHANGE, BUILD = "search.add_collection", "search.change_collection", "search.build_index"
DELETE = "search.delete_collection"
MOST_FACETS = 200
LONGEST_REASON = 300


class NewCollectionSerializer(StrictSerializer):
    name = serializers.CharField(max_length=200, help_text="Lower-case letters, digits, hyphens.")
    title = serializers.CharField(required=False, allow_blank=True, default="", max_length=400)
    description = serializers.CharField(required=False, allow_blank=True, default="")
    options = serializers.DictField(
        required=False,
        help_text="“build” (tokenizer, embedder, …) and “cutting” (sizes of passages).",
    )


class ChangedCollectionSerializer(StrictSerializer):
    title = serializers.CharField(required=False, max_length=400)
    description = serializers.CharField(required=False, allow_blank=True)
    options = serializers.DictField(required=False, help_text="For the next build.")
    search_defaults = serializers.DictField(
        required=False, help_text="For searches that name no options of their own."
    )
    rebuild_share = serializers.FloatField(
        required=False, help_text="Share of changed documents that starts a rebuild."
    )


class CollectionSerializer(serializers.ModelSerializer[Collection]):
    created_by = serializers.CharField(
        source="created_by.username", default=None, allow_null=True, read_only=True
    )
    live_version = serializers.SerializerMethodField(help_text="Of the index; null without one.")
    n_documents = serializers.SerializerMethodField()

    class Meta:
        model = Collection
        fields = (
            "name",
            "title",
            "description",
            "options",
            "search_defaults",
            "rebuild_share",
            "sequence",
            "n_documents",
            "live_version",
            "created_at",
            "created_by",
        )
        read_only_fields = fields

    def get_live_version(self, collection: Collection) -> int | None:
        version = selectors.of(collection).version
        return version.number if version else None

    def get_n_documents(self, collection: Collection) -> int:
        return selectors.of(collection).n_documents


class IndexVersionSerializer(serializers.ModelSerializer[ModelVersion]):
    run = serializers.UUIDField(source="run_id", allow_null=True)
    evaluation = serializers.DictField(help_text="Validation, relevance, sizes and times.")

    class Meta:
        model = ModelVersion
        fields = ("number", "state", "created_at", "digest", "run", "evaluation", "settings")
        read_only_fields = fields


class RebuildSerializer(StrictSerializer):
    reason = serializers.CharField(required=False, allow_blank=True, default="", max_length=300)


class FacetSerializer(serializers.Serializer[Any]):
    value = serializers.CharField()
    n_passages = serializers.IntegerField()


class FacetsSerializer(serializers.Serializer[Any]):
    field = serializers.CharField()
    results = FacetSerializer(many=True)


class CollectionList(generics.ListAPIView[Collection]):
    """Collections."""

    queryset = Collection.objects.select_related("created_by")
    serializer_class = CollectionSerializer
    ordering_fields = ("name", "created_at")
    ordering = "name"

    def get_permissions(self) -> list[Any]:
        return [scope("search", ADD if self.request.method == "POST" else LOOK)()]

    @extend_schema(
        summary="Make a collection",
        request=NewCollectionSerializer,
        responses={status.HTTP_201_CREATED: CollectionSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        form = NewCollectionSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        made = collections.create(actor=actor_of(request), **form.validated_data)
        return Response(
            CollectionSerializer(made).data,
            status=status.HTTP_201_CREATED,
            headers={"Location": f"/api/v1/collections/{made.name}/"},
        )


class CollectionDetail(APIView):
    """One collection."""

    def get_permissions(self) -> list[Any]:
        needed = {"PATCH": CHANGE, "DELETE": DELETE}.get(self.request.method or "", LOOK)
        return [scope("search", needed)()]

    @extend_schema(summary="Look at a collection", responses=CollectionSerializer)
    def get(self, request: Request, name: str) -> Response:
        return Response(CollectionSerializer(collections.get(name)).data)

    @extend_schema(
        summary="Change a collection",
        request=ChangedCollectionSerializer,
        responses=CollectionSerializer,
    )
    def patch(self, request: Request, name: str) -> Response:
        form = ChangedCollectionSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        changed = collections.configure(
            collection=collections.get(name), actor=actor_of(request), **form.validated_data
        )
        return Response(CollectionSerializer(changed).data)

    @extend_schema(
        summary="Delete a collection",
        description="With its documents, judgements and log of queries; the files of its index "
        "versions go by retention. Refused (409) while a build or an import is under way.",
        parameters=[OpenApiParameter("reason", OpenApiTypes.STR, description="For the audit log.")],
        responses={status.HTTP_204_NO_CONTENT: None},
    )
    def delete(self, request: Request, name: str) -> Response:
        given = request.query_params.dict()
        reason = bodies.text(given, "reason", "", LONGEST_REASON, default="")
        collection = collections.get(name)
        removal.delete(collection=collection, actor=actor_of(request), reason=reason)
        return Response(status=status.HTTP_204_NO_CONTENT)


class IndexVersionList(generics.ListAPIView[ModelVersion]):
    """The index versions of a collection, the latest first."""

    serializer_class = IndexVersionSerializer
    permission_classes = [scope("search", LOOK)]
    queryset = ModelVersion.objects.none()
    ordering_fields = ("number",)
    ordering = "-number"

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return ModelVersion.objects.none()
        return selectors.versions(collections.get(self.kwargs["name"]))


class Rebuild(APIView):
    """A new build of the index."""

    permission_classes = [scope("search", BUILD)]

    @extend_schema(
        summary="Build the index anew",
        description="Returns the build that waits already, if one does.",
        request=RebuildSerializer,
        responses={status.HTTP_202_ACCEPTED: RunSerializer},
    )
    @idempotent
    def post(self, request: Request, name: str) -> Response:
        form = RebuildSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        run = dispatch.build_index(
            collection=collections.get(name), actor=actor_of(request), **form.validated_data
        )
        return accepted(run, RunSerializer(run).data)


class Facets(APIView):
    """What values a field has."""

    permission_classes = [scope("search", LOOK)]

    @extend_schema(
        summary="Count the passages of each value of a field",
        parameters=[OpenApiParameter("field", OpenApiTypes.STR, required=True)],
        responses=FacetsSerializer,
    )
    def get(self, request: Request, name: str) -> Response:
        field = bodies.text(request.query_params.dict(), "field", "", 200)
        counts = searching.facets(name, field, limit=MOST_FACETS)
        rows = [{"value": str(value), "n_passages": count} for value, count in counts]
        return Response({"field": field, "results": rows})
