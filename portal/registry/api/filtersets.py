"""What lists of models, versions, moves and requests can be narrowed to."""

from django.db.models import Q, QuerySet
from django_filters import rest_framework as filters

from portal.registry.models import (
    Alias,
    AliasMove,
    ModelVersion,
    PromotionRequest,
    RegisteredModel,
)


class ModelFilters(filters.FilterSet):  # type: ignore[misc]  # untyped library
    """Filters of models."""

    family = filters.CharFilter()

    class Meta:
        model = RegisteredModel
        fields: tuple[str, ...] = ()


class VersionFilters(filters.FilterSet):  # type: ignore[misc]  # untyped library
    """Filters of versions."""

    state = filters.ChoiceFilter(choices=ModelVersion.State.choices)
    is_synthetic = filters.BooleanFilter()
    run = filters.UUIDFilter(field_name="run_id")

    class Meta:
        model = ModelVersion
        fields: tuple[str, ...] = ()


class HistoryFilters(filters.FilterSet):  # type: ignore[misc]  # untyped library
    """Filters of alias moves."""

    at = filters.IsoDateTimeFilter(
        method="live_at", help_text="Only what was live in this moment: one line per alias."
    )
    alias = filters.ChoiceFilter(choices=Alias.choices)

    class Meta:
        model = AliasMove
        fields: tuple[str, ...] = ()

    def live_at(self, moves: QuerySet[AliasMove], name: str, at: object) -> QuerySet[AliasMove]:
        return moves.filter(
            Q(until__isnull=True) | Q(until__gt=at), at__lte=at, to_version__isnull=False
        )


class PromotionFilters(filters.FilterSet):  # type: ignore[misc]  # untyped library
    """Filters of promotion requests."""

    model = filters.CharFilter(field_name="model__name")
    state = filters.MultipleChoiceFilter(
        choices=PromotionRequest.State.choices, help_text="May be given several times."
    )
    requested_by = filters.CharFilter(field_name="requested_by__username")

    class Meta:
        model = PromotionRequest
        fields: tuple[str, ...] = ()
