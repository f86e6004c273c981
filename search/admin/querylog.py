"""What was asked, what was answered and what was opened of it."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.paginator import InfinitePaginator

from portal.core import formats
from portal.core.admin.base import EvidenceAdmin, grants_of
from portal.core.keys import called
from search.admin.documents import CollectionFilter
from search.admin.forms import MODES
from search.admin.hits import titles_of
from search.models import Click, SearchRecord


class HitsFilter(admin.SimpleListFilter):
    """Tells queries that found something from those that found nothing."""

    title = _("hits")
    parameter_name = "found"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("some", _("some")), ("none", _("none"))]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[SearchRecord]
    ) -> QuerySet[SearchRecord]:
        if self.value() == "none":
            return queryset.filter(n_hits=0)
        return queryset.filter(n_hits__gt=0) if self.value() == "some" else queryset


@admin.register(SearchRecord)
class SearchRecordAdmin(EvidenceAdmin[SearchRecord]):
    page_template = "search/record.html"
    list_before_template = "search/_links.html"
    empty_hint = _("Every query is noted here with its hits and what was opened of them.")
    paginator = InfinitePaginator
    show_full_result_count = False
    list_display = ("asked", "query", "collection", "hits", "opened", "took", "marks")
    list_filter = (CollectionFilter, HitsFilter, ("at", RangeDateTimeFilter))
    list_filter_submit = True
    search_fields = ("query",)
    list_select_related = ("collection",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[SearchRecord]:
        # A subquery counts for the rows of the page only; a join would group the whole log first.
        clicks = Click.objects.filter(search=OuterRef("pk")).order_by().values("search")
        opened = Subquery(clicks.annotate(n=Count("pk")).values("n"))
        rows = super().get_queryset(request)
        return rows.annotate(n_opened=Coalesce(opened, 0), called=called("principal"))

    @admin.display(description=_("time"), ordering="at")
    def asked(self, obj: SearchRecord) -> str:
        return formats.moment(obj.at)

    @admin.display(description=_("hits"), ordering="n_hits")
    def hits(self, obj: SearchRecord) -> str:
        return formats.number(obj.n_hits)

    @admin.display(description=_("opened"))
    def opened(self, obj: Any) -> str:
        return formats.number(obj.n_opened)

    @admin.display(description=_("took"), ordering="took_ms")
    def took(self, obj: SearchRecord) -> str:
        return formats.duration(obj.took_ms / 1000)

    @admin.display(description=_("marks"))
    def marks(self, obj: SearchRecord) -> SafeString:
        found = [(_("nothing found"), "warn")] if obj.n_hits == 0 else []
        if obj.degraded:
            found.append((_("degraded"), "warn"))
        if obj.cache == "hit":
            found.append((_("from the cache"), ""))
        return formats.badges(found)

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        clicks = list(obj.clicks.order_by("rank"))
        names = [*obj.document_ids, *(click.external_id for click in clicks)]
        known = titles_of(obj.collection, names)
        again = {"collection": obj.collection.name, "q": obj.query}
        query = urlencode(again)
        return {
            "title": obj.query,
            "record": obj,
            "mode": dict(MODES).get(obj.mode, obj.mode),
            "documents": [(name, known.get(name)) for name in obj.document_ids],
            "clicks": [(click, known.get(click.external_id)) for click in clicks],
            "search_page": f"{reverse('admin:search_collection_search')}?{query}",
            "grade_page": f"{reverse('admin:search_judgedquery_grade')}?{query}",
            "may_judge": "search.change_judgedquery" in grants_of(request),
        }
