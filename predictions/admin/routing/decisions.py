"""What planners decided, in the admin."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.paginator import InfinitePaginator

from portal.core import formats
from portal.core.admin.base import EvidenceAdmin
from predictions.admin.predictions import principal_name
from predictions.models import RoutingOutcome


@admin.register(RoutingOutcome)
class RoutingOutcomeAdmin(EvidenceAdmin[RoutingOutcome]):
    empty_hint = _("Accept or correct a proposed routing on its page or over the API.")
    paginator = InfinitePaginator
    show_full_result_count = False
    list_display = (
        "recorded",
        "item_code",
        "verdict_badge",
        "steps",
        "marks",
        "of_what",
        "reporter",
    )
    list_filter = (
        ("recorded_at", RangeDateTimeFilter),
        "verdict",
        "same_operations",
        "is_current",
    )
    list_filter_submit = True
    search_fields = ("item_code",)
    list_select_related = ("prediction__version__model",)

    @admin.display(description=_("recorded"), ordering="recorded_at")
    def recorded(self, obj: RoutingOutcome) -> str:
        return formats.moment(obj.recorded_at)

    @admin.display(description=_("verdict"), ordering="verdict")
    def verdict_badge(self, obj: RoutingOutcome) -> SafeString:
        tone = "ok" if obj.verdict == RoutingOutcome.Verdict.ACCEPTED else "info"
        return formats.badge(obj.get_verdict_display(), tone)

    @admin.display(description=_("steps"))
    def steps(self, obj: RoutingOutcome) -> str:
        return formats.number(len(obj.routing))

    @admin.display(description=_("marks"))
    def marks(self, obj: RoutingOutcome) -> SafeString:
        found = [(_("counts"), "ok")] if obj.is_current else []
        if not obj.same_operations:
            found.append((_("other operations"), "warn"))
        return formats.badges(found)

    @admin.display(description=_("proposed routing"))
    def of_what(self, obj: RoutingOutcome) -> SafeString:
        address = reverse("admin:predictions_routingprediction_change", args=[obj.prediction_id])
        return format_html('<a href="{}">{}</a>', address, obj.prediction.version)

    @admin.display(description=_("reported by"))
    def reporter(self, obj: RoutingOutcome) -> str:
        return principal_name(obj.reported_by) or formats.DASH

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Lead to the proposal, whose page shows every decision on it."""
        row = self.find(request, object_id)
        address = reverse("admin:predictions_routingprediction_change", args=[row.prediction_id])
        return HttpResponseRedirect(f"{address}#decisions")
