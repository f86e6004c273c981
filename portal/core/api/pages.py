"""Cursor paging: stable under writes, no count, no offset."""

import base64
import binascii
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured, ValidationError
from django.db.models import Field, Model, Q, QuerySet
from django.utils.translation import gettext as _
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from portal.core.errors import FieldProblem, InvalidInput

if TYPE_CHECKING:
    # Importing it here would be a circle: its settings name this module.
    from rest_framework.views import APIView

DEFAULT_LIMIT = 50
MAX_LIMIT = 500


class CursorPage(BasePagination):
    """``?limit=&cursor=&ordering=`` by one whitelisted column and the primary key.

    The view names what callers may order by in ``ordering_fields``; those columns must not be NULL.
    Its ``ordering`` is the default, else the model's own first ordering.
    """

    limit_parameter = "limit"
    cursor_parameter = "cursor"
    ordering_parameter = "ordering"

    def paginate_queryset(  # type: ignore[override]  # sequences have no columns to follow
        self, queryset: QuerySet[Any], request: Request, view: "APIView | None" = None
    ) -> list[Any]:
        self.request = request
        limit = self._limit(request)
        self.ordering = self._ordering(queryset, request, view)
        is_descending, column = self.ordering.startswith("-"), self.ordering.lstrip("-")
        sign = "-" if is_descending else ""
        rows = queryset.order_by(f"{sign}{column}", f"{sign}pk")
        cursor = request.query_params.get(self.cursor_parameter)
        if cursor:
            rows = rows.filter(self._after(queryset.model, cursor, column, is_descending))
        page = list(rows[: limit + 1])
        self.next_cursor = self._cursor(page[limit - 1], column) if len(page) > limit else None
        return page[:limit]

    def get_paginated_response(self, data: Sequence[Any]) -> Response:
        link = None
        if self.next_cursor:
            here = self.request.build_absolute_uri()
            link = replace_query_param(here, self.cursor_parameter, self.next_cursor)
        return Response({"results": data, "next": link, "next_cursor": self.next_cursor})

    def _limit(self, request: Request) -> int:
        given = request.query_params.get(self.limit_parameter)
        if given is None:
            return DEFAULT_LIMIT
        if given.isascii() and given.isdigit() and 1 <= int(given[:9]) <= MAX_LIMIT:
            return int(given)
        raise refused(
            self.limit_parameter,
            "range",
            _("The limit is “%(seen)s”; give a whole number from 1 to %(high)s.")
            % {"seen": given[:40], "high": MAX_LIMIT},
        )

    def _ordering(self, queryset: QuerySet[Any], request: Request, view: "APIView | None") -> str:
        own = next(iter(queryset.model._meta.ordering), "-pk")
        default = str(getattr(view, "ordering", None) or own)
        allowed = ordering_fields(view) or (default.lstrip("-"),)
        given = request.query_params.get(self.ordering_parameter, default)
        if given.removeprefix("-") in allowed:
            return given
        raise refused(
            self.ordering_parameter,
            "choice",
            _("The ordering is “%(seen)s”; use one of %(known)s, with a minus for descending.")
            % {"seen": given[:40], "known": ", ".join(allowed)},
        )

    def _cursor(self, row: Model, column: str) -> str:
        field = _column(type(row), column)
        value = field.value_to_string(row)
        return _encode([self.ordering, value, str(row.pk)])

    def _after(self, model: type[Model], cursor: str, column: str, is_descending: bool) -> Q:
        ordering, value, pk = _decode(cursor)
        if ordering != self.ordering:
            raise _bad_cursor()
        try:
            last_value = _column(model, column).to_python(value)
            last_pk = model._meta.pk.to_python(pk)
        except (ValidationError, ValueError) as exc:
            raise _bad_cursor() from exc
        way = "lt" if is_descending else "gt"
        tie = Q(**{column: last_value, f"pk__{way}": last_pk})
        return Q(**{f"{column}__{way}": last_value}) | tie

    def get_schema_operation_parameters(self, view: "APIView") -> list[dict[str, Any]]:
        parameters = [
            _parameter(
                self.limit_parameter,
                "How many to return.",
                {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
            ),
            _parameter(
                self.cursor_parameter,
                "Where to go on: `next_cursor` of the page before.",
                {"type": "string"},
            ),
        ]
        if names := ordering_fields(view):
            both = [sign + name for name in names for sign in ("", "-")]
            parameters.append(
                _parameter(
                    self.ordering_parameter,
                    "What to order by; a minus means descending.",
                    {"type": "string", "enum": both},
                )
            )
        return parameters

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": "object",
            "required": ["results", "next", "next_cursor"],
            "properties": {
                "results": schema,
                "next": {"type": ["string", "null"], "format": "uri"},
                "next_cursor": {"type": ["string", "null"]},
            },
        }


def ordering_fields(view: "APIView | None") -> tuple[str, ...]:
    """Return what callers of a view may order by."""
    return tuple(getattr(view, "ordering_fields", ()))


def refused(field: str, code: str, message: str) -> InvalidInput:
    """Return the error for one query parameter."""
    return InvalidInput(message, problems=[FieldProblem(field, code, message)])


def _bad_cursor() -> InvalidInput:
    return refused(
        "cursor",
        "invalid_cursor",
        _("The cursor does not belong to this list; start again without one."),
    )


def _column(model: type[Model], name: str) -> Field[Any, Any]:
    if name == "pk":
        return model._meta.pk
    try:
        field = model._meta.get_field(name)
    except FieldDoesNotExist as exc:
        raise ImproperlyConfigured(f"{model.__name__} has no column {name!r} to order by.") from exc
    if not isinstance(field, Field) or field.null:
        raise ImproperlyConfigured(f"{model.__name__}.{name} may be NULL: lists cannot follow it.")
    return field


def _encode(parts: list[str]) -> str:
    raw = json.dumps(parts, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decode(cursor: str) -> tuple[str, str, str]:
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        ordering, value, pk = json.loads(raw)
    except (binascii.Error, ValueError, TypeError) as exc:
        raise _bad_cursor() from exc
    if not all(isinstance(part, str) for part in (ordering, value, pk)):
        raise _bad_cursor()
    return ordering, value, pk


def _parameter(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": schema,
    }


__all__ = ["CursorPage", "ordering_fields", "refused"]
