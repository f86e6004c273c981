"""What lists of runs and schedules can be narrowed to."""

from django_filters import rest_framework as filters

from portal.runs.models import Queue, Run, Schedule, State


class RunFilters(filters.FilterSet):  # type: ignore[misc]  # untyped library
    """Filters of runs."""

    state = filters.MultipleChoiceFilter(
        choices=State.choices, help_text="May be given several times."
    )
    kind = filters.CharFilter()
    queue = filters.ChoiceFilter(choices=Queue.choices)
    started_by = filters.CharFilter(field_name="started_by__username")
    started_via = filters.ChoiceFilter(choices=Run.Via.choices)
    parent = filters.UUIDFilter(field_name="parent_id")
    request_id = filters.CharFilter()
    since = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="gte")
    until = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="lt")

    class Meta:
        model = Run
        fields: tuple[str, ...] = ()


class ScheduleFilters(filters.FilterSet):  # type: ignore[misc]  # untyped library
    """Filters of schedules."""

    kind = filters.CharFilter()
    is_enabled = filters.BooleanFilter(field_name="periodic_task__enabled")

    class Meta:
        model = Schedule
        fields: tuple[str, ...] = ()
