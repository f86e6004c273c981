"""Stored explanations in the admin."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.paginator import InfinitePaginator

from portal.core import formats
from portal.core.admin.base import EvidenceAdmin
from predictions.models import Explanation, Prediction
from predictions.services import reasons


@admin.register(Explanation)
class ExplanationAdmin(EvidenceAdmin[Explanation]):
    page_template = "predictions/explanation.html"
    empty_hint = _("An explanation is made when somebody first asks why, and kept.")
    paginator = InfinitePaginator
    show_full_result_count = False
    list_display = ("prediction_id", "chance", "strongest", "method", "made")
    list_filter = (("created_at", RangeDateTimeFilter), "method")
    list_filter_submit = True
    search_fields = ("prediction",)
    search_help_text = _("Prediction id")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Explanation], search_term: str
    ) -> tuple[QuerySet[Explanation], bool]:
        """Look for one prediction by its whole id, which an index finds."""
        wanted = search_term.strip()
        if not wanted:
            return queryset, False
        try:
            return queryset.filter(pk=UUID(wanted)), False
        except ValueError:
            return queryset.none(), False

    @admin.display(description=_("defect probability"), ordering="probability")
    def chance(self, obj: Explanation) -> str:
        return formats.share(obj.probability)

    @admin.display(description=_("moved most by"))
    def strongest(self, obj: Explanation) -> str:
        return ", ".join(f"{name} {value:+.2f}" for name, value in obj.ranked[:3])

    @admin.display(description=_("explained"), ordering="created_at")
    def made(self, obj: Explanation) -> str:
        return formats.moment(obj.created_at)

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        rows = Prediction.objects.select_related("version__model")
        prediction = rows.filter(pk=obj.pk).first()
        shown = reasons.explained(prediction) if prediction else {}
        return {"prediction": prediction, **shown, "explanation": obj}
