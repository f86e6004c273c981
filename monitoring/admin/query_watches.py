"""What search indexes are asked, beside what was asked when they were built."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _g
from django.utils.translation import gettext_lazy as _

from monitoring.engine import plots, queries
from monitoring.models import QueryWatch
from monitoring.selectors import drift as selectors
from portal.core import formats
from portal.core.admin.base import EvidenceAdmin

VIEW_QUERIES = "monitoring.view_querywatch"
TONES: Mapping[str, str] = {
    QueryWatch.State.NO_VECTORS: "",
    QueryWatch.State.NO_BASELINE: "warn",
    QueryWatch.State.NOT_ENOUGH: "",
    QueryWatch.State.CALIBRATING: "info",
    QueryWatch.State.WATCHING: "ok",
}


def may_look(request: HttpRequest) -> bool:
    """Whether the person may see the watches on queries."""
    return bool(request.user.is_active and request.user.has_perm(VIEW_QUERIES))


def shown() -> list[tuple[QueryWatch, SafeString]]:
    """Return the watches of live indexes, each with its badge."""
    return [(row, badge(row)) for row in selectors.query_watches()]


def badge(row: QueryWatch) -> SafeString:
    """Return how a watch stands."""
    if row.exceeded_at is not None:
        return formats.badge(_("other queries than before"), "warn")
    return formats.badge(row.state.label, TONES[row.state])


def course_of(row: QueryWatch) -> plots.Course:
    """Return the picture of the distance over the looks that are kept."""
    at_s = [float(point[0]) for point in row.course]
    said = [formats.moment(datetime.fromtimestamp(second, UTC)) for second in at_s]
    return plots.course(
        at_s,
        [point[1] for point in row.course],
        [point[2] for point in row.course],
        [f"{when}: {point[1]:.4f}" for when, point in zip(said, row.course, strict=True)],
        marks=[(at_s[place], said[place]) for place in (0, len(at_s) // 2, -1)],
    )


@admin.register(QueryWatch)
class QueryWatchAdmin(EvidenceAdmin[QueryWatch]):
    page_template = "monitoring/query_watch.html"
    empty_hint = _("Once a search index is live, what people ask it is watched here.")
    list_display = ("index", "standing", "distance", "asked", "looked")
    search_fields = ("collection",)
    list_select_related = ("version__model",)
    ordering = ("-version_id",)

    @admin.display(description=_("index"), ordering="version")
    def index(self, obj: QueryWatch) -> str:
        return str(obj.version)

    @admin.display(description=_("state"))
    def standing(self, obj: QueryWatch) -> SafeString:
        return badge(obj)

    @admin.display(description=_("distance / threshold"))
    def distance(self, obj: QueryWatch) -> str:
        figures = (obj.statistic, obj.threshold)
        return " / ".join(formats.DASH if one is None else f"{one:.4f}" for one in figures)

    @admin.display(description=_("queries"), ordering="n_since")
    def asked(self, obj: QueryWatch) -> str:
        return formats.number(obj.n_since)

    @admin.display(description=_("last look"), ordering="looked_at")
    def looked(self, obj: QueryWatch) -> SafeString | str:
        return formats.ago(obj.looked_at) if obj.looked_at else formats.DASH

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        return {
            "title": _g("Queries of %(index)s") % {"index": obj.version},
            "watch": obj,
            "badge": badge(obj),
            "window": queries.WINDOW,
            "n_baseline_needed": queries.MIN_BASELINE,
            "n_past_needed": queries.MIN_PAST,
            "course": course_of(obj) if len(obj.course) > 1 else None,
        }
