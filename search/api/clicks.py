"""Which hits people opened: what relevance is judged by later."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.core.api import StrictSerializer, idempotent, scope
from portal.core.api.authentication import principal_of
from search.api.search import LOOK
from search.models import Click
from search.services import collections, querylog


class ClickSerializer(StrictSerializer):
    collection = serializers.CharField(max_length=60)
    external_id = serializers.CharField(max_length=500)
    passage_id = serializers.CharField(required=False, allow_blank=True, default="", max_length=64)
    rank = serializers.IntegerField(min_value=1, max_value=1000)


class KeptClickSerializer(serializers.ModelSerializer[Click]):
    search_id = serializers.UUIDField()

    class Meta:
        model = Click
        fields = ("search_id", "external_id", "passage_id", "rank", "at")
        read_only_fields = fields


class ClickList(APIView):
    """Hits of one search that were opened."""

    permission_classes = [scope("search", LOOK)]

    @extend_schema(
        summary="Report that a hit was opened",
        description="The same hit of the same search counts once.",
        request=ClickSerializer,
        responses={status.HTTP_201_CREATED: KeptClickSerializer},
    )
    @idempotent
    def post(self, request: Request, search_id: UUID) -> Response:
        form = ClickSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        given: dict[str, Any] = form.validated_data
        principal = principal_of(request)
        kept = querylog.click(
            search_id=search_id,
            collection=collections.get(given["collection"]),
            external_id=given["external_id"],
            passage_id=given["passage_id"],
            rank=given["rank"],
            principal=principal.name if principal else "",
        )
        return Response(KeptClickSerializer(kept).data, status=status.HTTP_201_CREATED)
