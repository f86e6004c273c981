"""Keys, the audit log and alerts over HTTP."""

from typing import Any

from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from portal.core import alerts, keys
from portal.core.api.answers import actor_of
from portal.core.api.filtersets import AlertFilters, AuditFilters, KeyFilters
from portal.core.api.idempotency import idempotent_but
from portal.core.api.permissions import scope
from portal.core.api.serializers import (
    AlertSerializer,
    AuditEntrySerializer,
    CreatedKeySerializer,
    KeySerializer,
    NewKeySerializer,
    ResolveSerializer,
)
from portal.core.models import Alert, ApiKey, AuditEntry, Scope


class Keys(ListModelMixin, RetrieveModelMixin, GenericViewSet[ApiKey]):
    """API keys of all accounts."""

    queryset = ApiKey.objects.select_related("user")
    serializer_class = KeySerializer
    filterset_class = KeyFilters
    ordering_fields = ("created_at", "name")

    def get_permissions(self) -> list[BasePermission]:
        verb = {"create": "add", "revoke": "change"}.get(self.action or "", "view")
        return [scope(Scope.ADMIN, f"core.{verb}_apikey")()]

    @extend_schema(request=NewKeySerializer, responses={201: CreatedKeySerializer})
    @idempotent_but("key")
    def create(self, request: Request) -> Response:
        """Make a key; its secret is in this answer and nowhere else."""
        wanted = NewKeySerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        fields = {"user": request.user, **wanted.validated_data}
        key, plain = keys.create_key(actor=actor_of(request), **fields)
        body = KeySerializer(key).data | {"key": plain}
        location = f"/api/v1/keys/{key.pk}/"
        return Response(body, status=status.HTTP_201_CREATED, headers={"Location": location})

    @extend_schema(request=None, responses=KeySerializer)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, **url_parts: Any) -> Response:
        """Revoke a key at once."""
        key = keys.revoke(key=self.get_object(), actor=actor_of(request))
        return Response(KeySerializer(key).data)


class AuditLog(ListModelMixin, RetrieveModelMixin, GenericViewSet[AuditEntry]):
    """Who did or was refused what; newest first."""

    queryset = AuditEntry.objects.all()
    serializer_class = AuditEntrySerializer
    filterset_class = AuditFilters
    permission_classes = (scope(Scope.ADMIN, "core.view_auditentry"),)
    ordering_fields = ("number",)


class Alerts(ListModelMixin, RetrieveModelMixin, GenericViewSet[Alert]):
    """What operators must know."""

    queryset = Alert.objects.select_related("acknowledged_by")
    serializer_class = AlertSerializer
    filterset_class = AlertFilters
    ordering_fields = ("last_at", "first_at")

    def get_permissions(self) -> list[BasePermission]:
        if self.action in {"acknowledge", "resolve"}:
            return [scope(Scope.ADMIN, "core.change_alert")()]
        return [scope(Scope.READ, "core.view_alert")()]

    @extend_schema(request=None, responses=AlertSerializer)
    @action(detail=True, methods=["post"])
    def acknowledge(self, request: Request, **url_parts: Any) -> Response:
        """Say that you have seen an alert and look after it."""
        alert = alerts.acknowledge(self.get_object(), actor_of(request))
        return Response(AlertSerializer(alert).data)

    @extend_schema(request=ResolveSerializer, responses=AlertSerializer)
    @action(detail=True, methods=["post"])
    def resolve(self, request: Request, **url_parts: Any) -> Response:
        """Say that what an alert tells of is over; what happens again opens a new one."""
        wanted = ResolveSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        alert = alerts.resolve(self.get_object(), actor_of(request), **wanted.validated_data)
        return Response(AlertSerializer(alert).data)


class Schema(SpectacularAPIView):
    """The OpenAPI document."""

    authentication_classes = ()


class Docs(SpectacularSwaggerView):
    """The document, to read and try."""

    authentication_classes = ()
    url_name = "api-schema"
