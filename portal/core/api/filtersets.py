"""What lists of keys, audit entries and alerts can be narrowed to."""

from django.db.models import QuerySet
from django_filters import rest_framework as filters

from portal.core.models import Alert, ApiKey, AuditEntry


class KeyFilters(filters.FilterSet):  # type: ignore[misc]  # untyped library
    """Filters of keys."""

    user = filters.CharFilter(field_name="user__username")
    is_usable = filters.BooleanFilter(method="by_use", help_text="Neither revoked nor expired.")

    class Meta:
        model = ApiKey
        fields: tuple[str, ...] = ()

    def by_use(self, rows: QuerySet[ApiKey], name: str, wanted: bool) -> QuerySet[ApiKey]:
        usable = ApiKey.objects.usable()
        return rows.filter(pk__in=usable) if wanted else rows.exclude(pk__in=usable)


class AuditFilters(filters.FilterSet):  # type: ignore[misc]  # untyped library
    """Filters of the audit log."""

    actor = filters.CharFilter()
    action = filters.CharFilter()
    target = filters.CharFilter()
    request_id = filters.CharFilter()
    outcome = filters.ChoiceFilter(choices=AuditEntry.Outcome.choices)
    since = filters.IsoDateTimeFilter(field_name="at", lookup_expr="gte")
    until = filters.IsoDateTimeFilter(field_name="at", lookup_expr="lt")

    class Meta:
        model = AuditEntry
        fields: tuple[str, ...] = ()


class AlertFilters(filters.FilterSet):  # type: ignore[misc]  # untyped library
    """Filters of alerts."""

    key = filters.CharFilter()
    severity = filters.ChoiceFilter(choices=Alert.Severity.choices)
    is_open = filters.BooleanFilter(
        field_name="resolved_at", lookup_expr="isnull", help_text="Not resolved."
    )
    is_acknowledged = filters.BooleanFilter(
        field_name="acknowledged_at", lookup_expr="isnull", exclude=True
    )

    class Meta:
        model = Alert
        fields: tuple[str, ...] = ()
