"""Filters of lists: declared, typed, and no misspelt one goes unnoticed."""

from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.request import Request

from portal.core.api.pages import CursorPage, refused

if TYPE_CHECKING:
    # Importing it here would be a circle: its settings name this module.
    from rest_framework.views import APIView

PAGING = frozenset(
    {CursorPage.limit_parameter, CursorPage.cursor_parameter, CursorPage.ordering_parameter}
)


class StrictFilterBackend(DjangoFilterBackend):  # type: ignore[misc]  # untyped library
    """A view's ``filterset_class``; a query parameter nobody declared is refused, not ignored."""

    def filter_queryset(
        self, request: Request, queryset: QuerySet[Any], view: "APIView"
    ) -> QuerySet[Any]:
        if getattr(view, "detail", False):
            return queryset
        filterset_class = self.get_filterset_class(view, queryset)
        known = set(filterset_class.base_filters) if filterset_class else set()
        for name in request.query_params:
            if name not in known | PAGING:
                raise refused(
                    name,
                    "unknown_parameter",
                    _("There is no query parameter “%(seen)s” here; known are %(known)s.")
                    % {"seen": name[:60], "known": ", ".join(sorted(known | PAGING))},
                )
        filtered: QuerySet[Any] = super().filter_queryset(request, queryset, view)
        return filtered
