"""Silences over HTTP: nobody is told of some alerts for a while."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from monitoring.models import Silence
from monitoring.services.alerting import answers, silences
from portal.core.api import StrictSerializer, actor_of, idempotent, scope
from portal.core.api.examples import example
from portal.core.models import Alert, Scope
from portal.lib import clock

# Whoever may look may try; what an account may do the services decide, and record when they refuse.
LOOK = scope(Scope.READ, "monitoring.view_silence")
ACT = scope(Scope.ADMIN, "monitoring.view_silence")
SILENCE_ONE = scope(Scope.ADMIN, "core.view_alert")


class SilenceSerializer(serializers.ModelSerializer[Silence]):
    """That nobody is told of some alerts for a while; the alerts themselves stay to be seen."""

    made_by = serializers.CharField(source="made_by.username", default=None, allow_null=True)

    class Meta:
        model = Silence
        fields = ("id", "keys", "starts_at", "ends_at", "reason", "made_by", "created_at")
        read_only_fields = fields


class SilenceNewSerializer(StrictSerializer):
    keys = serializers.CharField(
        max_length=4_000, help_text="Beginnings of keys, separated by white space; * for all."
    )
    starts_at = serializers.DateTimeField(required=False, help_text="Now by default.")
    ends_at = serializers.DateTimeField(help_text="At most 30 days later.")
    reason = serializers.CharField(max_length=300)


@example({"minutes": 60, "reason": "The line is being cleaned."})
class SilenceAlertSerializer(StrictSerializer):
    minutes = serializers.IntegerField(
        min_value=1, max_value=answers.MOST_MINUTES, default=answers.DEFAULT_MINUTES
    )
    reason = serializers.CharField(max_length=300)


class SilenceFilter(filters.FilterSet):  # type: ignore[misc]  # untyped library
    is_active = filters.BooleanFilter(method="by_time", help_text="Holds now.")

    class Meta:
        model = Silence
        fields: tuple[str, ...] = ()

    def by_time(self, rows: Any, name: str, wanted: bool) -> Any:
        active = Silence.objects.active(clock.now()).values("pk")
        return rows.filter(pk__in=active) if wanted else rows.exclude(pk__in=active)


def _checked(kind: type[StrictSerializer], request: Request) -> dict[str, Any]:
    wanted = kind(data=request.data)
    wanted.is_valid(raise_exception=True)
    return dict(wanted.validated_data)


class Silences(ListModelMixin, RetrieveModelMixin, GenericViewSet[Silence]):
    """Of which alerts nobody is told for a while."""

    queryset = Silence.objects.select_related("made_by")
    serializer_class = SilenceSerializer
    filterset_class = SilenceFilter
    ordering_fields = ("ends_at", "created_at")

    def get_permissions(self) -> list[BasePermission]:
        return [ACT() if self.action in {"create", "end"} else LOOK()]

    @extend_schema(request=SilenceNewSerializer, responses={201: SilenceSerializer})
    @idempotent
    def create(self, request: Request) -> Response:
        """Silence alerts by the beginnings of their keys."""
        made = silences.create(actor=actor_of(request), **_checked(SilenceNewSerializer, request))
        return _made(made)

    @extend_schema(request=None, responses={204: None})
    @action(detail=True, methods=["post"])
    def end(self, request: Request, **url_parts: Any) -> Response:
        """End a silence now; what still stands is told of."""
        silences.end(silence=self.get_object(), actor=actor_of(request))
        return Response(status=204)


class SilenceAlert(APIView):
    """Silence for one alert."""

    permission_classes = [SILENCE_ONE]

    @extend_schema(
        operation_id="alerts_silence",
        summary="Have nobody told of an alert, and of what begins like it, for a while",
        request=SilenceAlertSerializer,
        responses={201: SilenceSerializer},
    )
    @idempotent
    def post(self, request: Request, alert_id: UUID) -> Response:
        asked = _checked(SilenceAlertSerializer, request)
        alert = get_object_or_404(Alert, pk=alert_id)
        made = silences.create(
            keys=alert.key,
            ends_at=clock.now() + timedelta(minutes=asked["minutes"]),
            reason=asked["reason"],
            actor=actor_of(request),
        )
        return _made(made)


def _made(silence: Silence) -> Response:
    headers = {"Location": f"/api/v1/silences/{silence.pk}/"}
    return Response(SilenceSerializer(silence).data, status=201, headers=headers)
