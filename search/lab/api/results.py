"""What campaigns gave: cells as they are measured, and the report."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.utils.translation import get_language
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
from search.lab.engine.analysis.choosing import Limits
from search.lab.engine.analysis.comparing import MARGIN
from search.lab.engine.so_far import KeptPass
from search.lab.models import CellResult
from search.lab.services import campaigns

FORMATS = ("md", "html", "pdf", "json", "csv", "parquet")
COMPARED_AS = ("json", "md", "html", "pdf")
LANGUAGES = ("ko", "en")
#: What a recommendation can be asked to keep to.
LIMITS = {
    "min_recall": "Least recall@10; by default the campaign's, or else 0.95.",
    "max_p95_ms": "Greatest 95th percentile in milliseconds.",
    "max_memory_mb": "Greatest memory of a search.",
}
EACH_LENGTH = "Whether to recommend for each length of the vectors."


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
        kept: Mapping[str, Sequence[KeptPass]] = {}
        if any(row.state == CellResult.State.WAITING for row in rows):
            kept = selectors.passes_so_far(rows[0].campaign)
        shown = [_shown(row, kept.get(row.key, ())) for row in rows]
        return CellResultSerializer(shown, *args, **kwargs)


def _shown(row: CellResult, kept: Sequence[KeptPass]) -> dict[str, Any]:
    return {
        "position": row.position,
        "key": row.key,
        "label": row.what.label,
        **selectors.line(row, kept).to_dict(),
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
        parameters=[
            OpenApiParameter("format", enum=FORMATS, description="By default md."),
            OpenApiParameter("language", enum=LANGUAGES, description="By default the request's."),
            *(
                OpenApiParameter(name, OpenApiTypes.FLOAT, description=LIMITS[name])
                for name in LIMITS
            ),
            OpenApiParameter("each_length", OpenApiTypes.BOOL, description=EACH_LENGTH),
        ],
        responses={
            (200, "text/markdown"): OpenApiResponse(OpenApiTypes.STR, "The report."),
            (200, "text/html"): OpenApiResponse(OpenApiTypes.STR, "One file, works offline."),
            (200, "application/pdf"): OpenApiResponse(OpenApiTypes.BINARY, "The same to print."),
            (200, "application/json"): OpenApiResponse(OpenApiTypes.OBJECT, "For programs."),
            (200, "text/csv"): OpenApiResponse(OpenApiTypes.STR, "One row a cell."),
            (200, "application/vnd.apache.parquet"): OpenApiResponse(
                OpenApiTypes.BINARY, "The same."
            ),
        },
    )
    def get(self, request: Request, pk: UUID) -> HttpResponse:
        from search.lab.services import reports  # noqa: PLC0415 - scipy is large

        _check_names(request, ("format", "language", *LIMITS, "each_length"))
        form = _choice(request, "format", FORMATS, "md")
        language = _choice(request, "language", LANGUAGES, _own_language())
        limits = Limits(
            **{name: _float(request, name) for name in LIMITS},
            each_length=_choice(request, "each_length", ("true", "false"), "false") == "true",
        )
        campaign = campaigns.get(pk)
        return _file(*reports.render(campaign, format=form, language=language, limits=limits))


class Comparison(APIView):
    """A campaign against an earlier one."""

    permission_classes = [MayLook]

    @extend_schema(
        summary="Compare a campaign with an earlier one",
        description="A verdict for every cell that both measured, by the 95 % interval of the "
        "ratio of median latencies; what differs between the machines and versions is listed.",
        parameters=[
            OpenApiParameter(
                "then", OpenApiTypes.UUID, required=True, description="The earlier campaign."
            ),
            OpenApiParameter(
                "margin",
                OpenApiTypes.FLOAT,
                description="Differences of up to this share count as the same; 0.05 by default.",
            ),
            OpenApiParameter("format", enum=COMPARED_AS, description="By default json."),
            OpenApiParameter("language", enum=LANGUAGES, description="By default the request's."),
        ],
        responses={
            (200, "application/json"): OpenApiResponse(OpenApiTypes.OBJECT, "For programs."),
            (200, "text/markdown"): OpenApiResponse(OpenApiTypes.STR, "The same to read."),
            (200, "text/html"): OpenApiResponse(OpenApiTypes.STR, "One file, works offline."),
            (200, "application/pdf"): OpenApiResponse(OpenApiTypes.BINARY, "The same to print."),
        },
    )
    def get(self, request: Request, pk: UUID) -> HttpResponse:
        from search.lab.services import comparing, reports  # noqa: PLC0415 - scipy is large

        _check_names(request, ("then", "margin", "format", "language"))
        form = _choice(request, "format", COMPARED_AS, "json")
        language = _choice(request, "language", LANGUAGES, _own_language())
        margin = _float(request, "margin")
        found = comparing.compare(
            then=campaigns.get(_number(request, "then")),
            now=campaigns.get(pk),
            margin=MARGIN if margin is None else margin,
        )
        return _file(*reports.render_comparison(found, format=form, language=language))


def _file(content: bytes, kind: str, name: str) -> HttpResponse:
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
    }
    return HttpResponse(content, content_type=kind, headers=headers)


def _own_language() -> str:
    return "en" if (get_language() or "").startswith("en") else "ko"


def _check_names(request: Request, known: Sequence[str]) -> None:
    for seen in request.query_params:
        if seen not in known:
            message = _("There is no query parameter “%(seen)s” here; known are %(names)s.")
            raise _wrong(seen[:60], message % {"seen": seen[:60], "names": ", ".join(known)})


def _choice(request: Request, name: str, allowed: Sequence[str], usual: str) -> str:
    value = request.query_params.get(name, usual)
    if value not in allowed:
        message = _("“%(name)s” is “%(seen)s”: use one of %(names)s.")
        words = {"name": name, "seen": value[:60], "names": ", ".join(allowed)}
        raise _wrong(name, message % words)
    return value


def _number(request: Request, name: str) -> UUID:
    value = request.query_params.get(name, "")
    try:
        return UUID(value)
    except ValueError:
        message = _("“%(name)s” is “%(seen)s”: give the number of a campaign.")
        raise _wrong(name, message % {"name": name, "seen": value[:60]}) from None


def _float(request: Request, name: str) -> float | None:
    value = request.query_params.get(name, "")
    try:
        return float(value) if value else None
    except ValueError:
        message = _("“%(name)s” is “%(seen)s”: give a number.")
        raise _wrong(name, message % {"name": name, "seen": value[:60]}) from None


def _wrong(field: str, message: str) -> InvalidInput:
    return InvalidInput(message, problems=[FieldProblem(field, "invalid", message)])
