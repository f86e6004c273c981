"""Documents in the admin: what was read of each, and taking one out."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.paginator import InfinitePaginator

from portal.core import formats
from portal.core.admin.base import Act, EvidenceAdmin, NoReasonForm, actor_of, grants_of
from search.admin import kinds
from search.models import Collection, Document
from search.services import documents

DELETE = "search.delete_document"
#: What a page shows of a long document; the whole of it is searchable. Ours.
MOST_BLOCKS = 600


class CollectionFilter(admin.SimpleListFilter):
    """Chooses a collection by its title."""

    title = _("collection")
    parameter_name = "collection__id__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        return [(one.pk, one.title) for one in Collection.objects.order_by("name")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value() or ""
        if chosen.isascii() and chosen.isdigit() and len(chosen) < 19:
            return queryset.filter(collection=int(chosen))
        return queryset


@admin.register(Document)
class DocumentAdmin(EvidenceAdmin[Document]):
    page_template = "search/document.html"
    list_before_template = "search/_links.html"
    empty_hint = _("Documents are added on the page of their collection, or by the API.")
    row_pages = ("remove",)
    paginator = InfinitePaginator
    show_full_result_count = False
    list_display = ("called", "identifier", "taxonomy", "kind", "date", "length", "changed")
    list_filter = (CollectionFilter, ("updated_at", RangeDateTimeFilter))
    list_filter_submit = True
    search_fields = ("title__icontains", "external_id__startswith")
    search_help_text = _("Part of the title, or the beginning of the identifier")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Document]:
        rows = Document.objects.listed().select_related("collection")
        return rows.order_by("collection_id", "external_id")

    @admin.display(description=_("title"), ordering="title")
    def called(self, obj: Document) -> str:
        return str(obj)

    @admin.display(description=_("identifier"), ordering="external_id")
    def identifier(self, obj: Document) -> SafeString:
        return format_html('<span class="mw-mono">{}</span>', obj.external_id)

    @admin.display(description=_("kind"), ordering="content_type")
    def kind(self, obj: Document) -> str:
        return kinds.name_of(obj.content_type)

    @admin.display(description=_("characters"), ordering="n_chars")
    def length(self, obj: Document) -> str:
        return formats.number(obj.n_chars)

    @admin.display(description=_("changed"), ordering="updated_at")
    def changed(self, obj: Document) -> str:
        return formats.moment(obj.updated_at)

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        wanted = request.GET.get("passage", "")
        passages = documents.passages_of(obj)
        return {
            "title": str(obj),
            "document": obj,
            "kind": kinds.name_of(obj.content_type),
            "blocks": obj.blocks[:MOST_BLOCKS],
            "n_more": max(len(obj.blocks) - MOST_BLOCKS, 0),
            "n_passages": len(passages),
            "passage": next((one for one in passages if one.id == wanted), None),
            "is_passage_gone": bool(wanted) and all(one.id != wanted for one in passages),
            "may_delete": DELETE in grants_of(request),
        }

    def remove_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, then delete the document."""
        obj = self.find(request, object_id)
        act = Act(
            title=_("Delete this document?"),
            effects=[
                _("It is no longer found, from the next moment on."),
                _("Its text is removed; sending it again under its identifier brings it back."),
                _("Judgements that name it stay, and count as not found."),
            ],
            button=_("Delete"),
            done=_("The document is deleted."),
            permission=DELETE,
            tone="danger",
            form=NoReasonForm,
        )
        return self.confirm(
            request,
            act,
            lambda form: documents.delete(
                collection=obj.collection,
                external_ids=[obj.external_id],
                actor=actor_of(request),
            ),
            back=self.url("change", obj.pk),
            obj=obj,
            then=lambda _n: self.url("changelist"),
        )
