"""What campaigns gave: cells as they are measured, and the report."""

import json
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.views import APIView

from portal.core.errors import FieldProblem, InvalidInput
from search.lab import selectors
from search.lab.api.campaigns import MayLook
from search.lab.api.shapes import CellResultSerializer
from search.lab.models import CellResult
from search.lab.services import campaigns

FORMATS = {"md": "text/markdown; charset=utf-8", "json": "application/json"}


class ResultList(generics.ListAPIView[CellResult]):
    """The cells of a campaign in their order, measured or not."""

    queryset = CellResult.objects.none()
    serializer_class = CellResultSerializer
    permission_classes = [MayLook]
    filterset_fields = ("state",)
    ordering_fields = ("position",)
    ordering = "position"

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return CellResult.objects.none()
        return campaigns.get(self.kwargs["pk"]).cells.all()

    def get_serializer(self, rows: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Serialize rows as the tables show them."""
        if rows is None:
            return CellResultSerializer(*args, **kwargs)
        return CellResultSerializer([_shown(row) for row in rows], *args, **kwargs)


def _shown(row: CellResult) -> dict[str, Any]:
    return {
        "position": row.position,
        "key": row.key,
        "label": row.what.label,
        **selectors.line(row).to_dict(),
        "samples": row.samples_id,
        "measured_at": row.measured_at,
        "tries": row.n_tries,
    }


class Report(APIView):
    """The report of a campaign."""

    permission_classes = [MayLook]

    @extend_schema(
        summary="Fetch the report of a campaign",
        description="Of the cells measured so far, with the analysis they allow.",
        parameters=[OpenApiParameter("format", enum=list(FORMATS), description="By default md.")],
        responses={
            (200, "text/markdown"): OpenApiResponse(OpenApiTypes.STR, "The report."),
            (200, "application/json"): OpenApiResponse(OpenApiTypes.OBJECT, "The same as JSON."),
        },
    )
    def get(self, request: Request, pk: UUID) -> HttpResponse:
        from search.lab.services import reports  # noqa: PLC0415 - scipy is large

        form = _format(request)
        campaign = campaigns.get(pk)
        if form == "json":
            text = json.dumps(reports.content(campaign), ensure_ascii=False)
        else:
            text = reports.markdown(campaign)
        headers = {"Content-Disposition": f'attachment; filename="benchmark-{pk}.{form}"'}
        return HttpResponse(text, content_type=FORMATS[form], headers=headers)


def _format(request: Request) -> str:
    for seen in request.query_params:
        if seen != "format":
            message = _("There is no query parameter “%(seen)s” here; known is “format”.")
            raise _wrong(seen[:60], message % {"seen": seen[:60]})
    form = request.query_params.get("format", "md")
    if form not in FORMATS:
        message = _("“format” is “%(seen)s”: use one of %(names)s.")
        raise _wrong("format", message % {"seen": form[:60], "names": ", ".join(FORMATS)})
    return form


def _wrong(field: str, message: str) -> InvalidInput:
    return InvalidInput(message, problems=[FieldProblem(field, "invalid", message)])
