"""The quality of data over HTTP."""

from datetime import timedelta
from typing import Any

from django.utils.translation import gettext as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from monitoring.models import Expectation, QualityWindow, QuarantinedRow
from monitoring.selectors import quality as selectors
from portal.core.api.permissions import scope
from portal.core.api.strict import StrictSerializer
from portal.core.errors import NotFound

WINDOWS = scope("read", "monitoring.view_qualitywindow")


class FailureSerializer(serializers.Serializer[dict[str, Any]]):
    """One expectation that was not met."""

    rule = serializers.CharField()
    column = serializers.CharField(help_text="Empty for the rows as a whole.")
    value = serializers.FloatField()
    limit = serializers.FloatField()
    unit = serializers.CharField(help_text="share, rows or value.")
    n_bad = serializers.IntegerField()
    n = serializers.IntegerField()


class QualityWindowSerializer(serializers.ModelSerializer[QualityWindow]):
    """One hour of a source, or one data set."""

    failures = FailureSerializer(many=True)

    class Meta:
        model = QualityWindow
        fields = (
            "scope",
            "source",
            "at",
            "status",
            "n_rows",
            "n_looked",
            "n_refused",
            "n_duplicates",
            "last_row_at",
            "nulls",
            "failures",
        )
        read_only_fields = fields


class DataSourceSerializer(serializers.Serializer[selectors.Source]):
    """One source and its last hour."""

    scope = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]  # a field may have this name
    name = serializers.CharField()
    last = QualityWindowSerializer()
    n_refused = serializers.IntegerField(help_text="Rows refused in 48 hours.")
    n_bad = serializers.IntegerField(help_text="Hours of 48 that were not as expected.")
    n_windows = serializers.IntegerField()


class QualitySerializer(serializers.Serializer[Any]):
    """Every source, and the data sets checked last."""

    sources = DataSourceSerializer(many=True)
    datasets = QualityWindowSerializer(many=True)


class DataQuality(APIView):
    """Whether data are as expected."""

    permission_classes = (WINDOWS,)

    @extend_schema(responses=QualitySerializer)
    def get(self, request: Request) -> Response:
        """Tell every source that sent something in 48 hours, and the latest data sets."""
        found = {"sources": selectors.sources(), "datasets": selectors.datasets()}
        return Response(QualitySerializer(found).data)


class NullQuery(StrictSerializer):
    """Which source, and how far back."""

    scope = serializers.CharField(max_length=100)
    source = serializers.CharField(  # type: ignore[assignment]  # as above
        max_length=160, default="", allow_blank=True, help_text="Empty for all sources together."
    )
    hours = serializers.IntegerField(default=48, min_value=1, max_value=24 * 90)


class NullLineSerializer(serializers.Serializer[selectors.Line]):
    """One column over time."""

    column = serializers.CharField()
    limit = serializers.FloatField(allow_null=True, help_text="The share expected at most.")
    shares = serializers.SerializerMethodField(help_text="By hour; null when nothing came.")

    def get_shares(self, line: selectors.Line) -> list[float | None]:
        return [cell.share for cell in line.cells]


class NullBoardSerializer(serializers.Serializer[selectors.NullBoard]):
    """Shares of missing values by column and hour."""

    scope = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]  # a field may have this name
    hours = serializers.ListField(child=serializers.DateTimeField())
    lines = NullLineSerializer(many=True)


class NullShares(APIView):
    """Missing values over time."""

    permission_classes = (WINDOWS,)

    @extend_schema(parameters=[NullQuery], responses=NullBoardSerializer)
    def get(self, request: Request) -> Response:
        """Tell the share of missing values of a source by column and hour."""
        query = NullQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        wanted = query.validated_data
        rows = QualityWindow.objects.filter(scope=wanted["scope"], source=wanted["source"])
        if not rows.exists():
            message = _("Nothing is known of the source “%(source)s” in “%(scope)s”.")
            raise NotFound(message % {"source": wanted["source"], "scope": wanted["scope"]})
        span = timedelta(hours=wanted["hours"])
        board = selectors.null_board(wanted["scope"], wanted["source"], span=span)
        return Response(NullBoardSerializer(board).data)


class ExpectationSerializer(serializers.ModelSerializer[Expectation]):
    """What is expected of one column, or of whole rows."""

    limits = serializers.DictField(help_text="What counts: what a person set, else the learned.")

    class Meta:
        model = Expectation
        fields = (
            "id",
            "scope",
            "column",
            "rule",
            "limits",
            "learned",
            "learned_from",
            "learned_at",
            "is_edited",
            "is_enabled",
            "changed_by",
            "changed_at",
        )
        read_only_fields = fields


class ExpectationFilters(filters.FilterSet):  # type: ignore[misc]  # untyped library
    """Which expectations."""

    class Meta:
        model = Expectation
        fields = ("scope", "column", "rule", "is_enabled")


class Expectations(ListModelMixin, RetrieveModelMixin, GenericViewSet[Expectation]):
    """What data are expected to be like."""

    queryset = Expectation.objects.all()
    serializer_class = ExpectationSerializer
    filterset_class = ExpectationFilters
    permission_classes = (scope("read", "monitoring.view_expectation"),)
    ordering_fields = ("id",)
    ordering = "id"


class QuarantinedRowSerializer(serializers.ModelSerializer[QuarantinedRow]):
    """One refused row with its reason."""

    class Meta:
        model = QuarantinedRow
        fields = (
            "id",
            "scope",
            "source",
            "at",
            "position",
            "column",
            "rule",
            "message",
            "row",
            "request_id",
        )
        read_only_fields = fields


class QuarantineFilters(filters.FilterSet):  # type: ignore[misc]  # untyped library
    """Which rows."""

    since = filters.IsoDateTimeFilter(field_name="at", lookup_expr="gte")
    until = filters.IsoDateTimeFilter(field_name="at", lookup_expr="lt")

    class Meta:
        model = QuarantinedRow
        fields = ("scope", "source", "column", "rule", "request_id")


class Quarantine(ListModelMixin, RetrieveModelMixin, GenericViewSet[QuarantinedRow]):
    """What was refused, with the reason; newest first."""

    queryset = QuarantinedRow.objects.all()
    serializer_class = QuarantinedRowSerializer
    filterset_class = QuarantineFilters
    permission_classes = (scope("read", "monitoring.view_quarantinedrow"),)
    ordering_fields = ("at",)
    ordering = "-at"
