"""Judged queries in the admin: grading hits by keyboard, lists from a file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _g
from django.utils.translation import gettext_lazy as _

from portal.core import formats
from portal.core.admin.base import (
    Act,
    EvidenceAdmin,
    NoReasonForm,
    actor_of,
    grants_of,
    require,
    tell,
)
from portal.core.errors import PortalError
from portal.lib import clock
from search.admin.documents import CollectionFilter
from search.admin.forms import JudgedListForm
from search.admin.hits import titles_of
from search.admin.searching import require_view
from search.models import Collection, Document, JudgedQuery, SearchRecord
from search.services import judgements, searching

CHANGE, DELETE = "search.change_judgedquery", "search.delete_judgedquery"
#: Documents that are shown to be graded: enough to fill nDCG@10 twice over. Ours.
N_GRADED = 20
#: Passages asked for, so that so many documents are among them.
N_ASKED = 100
N_OFTEN = 10
OFTEN_DAYS = 30
#: Latest queries that are counted for what is asked often.
MOST_COUNTED = 5_000
LARGEST_LIST = 5_000_000
GRADES = (
    (0, _("does not help")),
    (1, _("touches it")),
    (2, _("helps much")),
    (3, _("answers it")),
)


@dataclass(frozen=True)
class Graded:
    """A document to grade: what is known of it and its present grade."""

    external_id: str
    document: Document | None
    snippet: SafeString | str
    grade: int | None
    rank: int | None


@admin.register(JudgedQuery)
class JudgedQueryAdmin(EvidenceAdmin[JudgedQuery]):
    list_before_template = "search/_judged_links.html"
    empty_hint = _("Judge what a query finds; index versions are then checked against it.")
    list_pages = ("grade", "upload")
    row_pages = ("remove",)
    list_display = ("asked", "collection", "n_named", "n_answers", "changed", "updated_by")
    list_display_links = None
    list_filter = (CollectionFilter,)
    search_fields = ("query", "note")
    list_select_related = ("collection",)

    @admin.display(description=_("query"), ordering="query")
    def asked(self, obj: JudgedQuery) -> SafeString:
        return format_html('<a class="mw-link" href="{}">{}</a>', self._page_of(obj), obj.query)

    @admin.display(description=_("documents"))
    def n_named(self, obj: JudgedQuery) -> str:
        return formats.number(len(obj.gains))

    @admin.display(description=_("of these answer it"))
    def n_answers(self, obj: JudgedQuery) -> str:
        return formats.number(sum(gain == 3 for gain in obj.gains.values()))

    @admin.display(description=_("changed"), ordering="updated_at")
    def changed(self, obj: JudgedQuery) -> str:
        return formats.moment(obj.updated_at)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list below what else there is to do with judgements."""
        more = {"may_judge": CHANGE in grants_of(request), **(extra_context or {})}
        answer: HttpResponse = super().changelist_view(request, more)
        return answer

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Lead to the page that grades the query."""
        return HttpResponseRedirect(self._page_of(self.find(request, object_id)))

    def _page_of(self, judged: JudgedQuery) -> str:
        return self._grade_page(judged.collection, judged.query)

    def _grade_page(self, collection: Collection, query: str = "") -> str:
        asked = urlencode({"collection": collection.name, **({"q": query} if query else {})})
        return f"{self.url('grade')}?{asked}"

    # --- Grading ----------------------------------------------------------------------------------
    def grade_view(self, request: HttpRequest) -> HttpResponse:
        """Show what a query finds, to be graded from 0 to 3; keep the grades."""
        require_view(request)
        known = list(Collection.objects.order_by("name"))
        given = request.POST if request.method == "POST" else request.GET
        name = given.get("collection", "")
        collection = next((one for one in known if one.name == name), known[0] if known else None)
        query = " ".join(given.get("q", "").replace("\x00", " ").split())[
            : judgements.LONGEST_QUERY
        ]
        if collection is not None and request.method == "POST":
            require(request, CHANGE)
            return self._graded(request, collection, query)
        context: dict[str, Any] = {
            "title": _("Judge a query"),
            "collections": known,
            "collection": collection,
            "query": query,
            "grades": GRADES,
            "may_judge": CHANGE in grants_of(request),
            "back": self.url("changelist"),
        }
        status = 200
        if collection is not None:
            context["often"] = asked_often(collection)
            if query:
                status = _found(collection, query, context)
        return self.page(request, "search/grade.html", context, status=status)

    def _graded(self, request: HttpRequest, collection: Collection, query: str) -> HttpResponse:
        gains = _gains(request.POST)
        kept = JudgedQuery.objects.filter(collection=collection, query=query).first()
        try:
            if gains or kept is None:
                judgements.save(
                    collection=collection,
                    query=query,
                    gains=gains,
                    note=request.POST.get("note", ""),
                    actor=actor_of(request),
                )
                messages.success(request, _g("The judgements are kept."))
            else:
                require(request, DELETE)
                judgements.remove(judged=kept, actor=actor_of(request))
                messages.success(
                    request, _g("Nothing helps with this query: it is judged no more.")
                )
        except PortalError as error:
            tell(request, error)
            return HttpResponseRedirect(self._grade_page(collection, query))
        following = next(iter(asked_often(collection)), None) if "next" in request.POST else None
        onward = following["query"] if following else ("" if "next" in request.POST else query)
        return HttpResponseRedirect(self._grade_page(collection, onward))

    def remove_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, then forget a judged query."""
        obj = self.find(request, object_id)
        act = Act(
            title=_("Forget this judged query?"),
            effects=[_("Index versions are no longer checked against it.")],
            button=_("Forget it"),
            done=_("The judged query is forgotten."),
            permission=DELETE,
            tone="danger",
            form=NoReasonForm,
        )
        return self.confirm(
            request,
            act,
            lambda form: judgements.remove(judged=obj, actor=actor_of(request)),
            back=self._page_of(obj),
            obj=obj,
            then=lambda _none: self.url("changelist"),
        )

    # --- Lists ------------------------------------------------------------------------------------
    def upload_view(self, request: HttpRequest) -> HttpResponse:
        """Take a list of judged queries, all of it or nothing."""
        require(request, CHANGE)
        form = JudgedListForm(request.POST or None, request.FILES or None)
        status = 200
        if form.is_bound and form.is_valid():
            try:
                n_kept = judgements.import_list(
                    collection=form.cleaned_data["collection"],
                    rows=_rows(form.cleaned_data["file"]),
                    actor=actor_of(request),
                )
            except PortalError as error:
                form.add_error("file", _reason(error))
                status = error.status
            except ValueError:
                form.add_error("file", _g("This is no JSON list of judged queries, or too large."))
                status = 422
            else:
                done = _g("%(count)d judged queries are kept.") % {"count": n_kept}
                messages.success(request, done)
                return HttpResponseRedirect(self.url("changelist"))
        context = {
            "title": _("Judged queries from a file"),
            "form": form,
            "back": self.url("changelist"),
        }
        return self.page(request, "search/judged_upload.html", context, status=status)


def asked_often(collection: Collection) -> list[dict[str, Any]]:
    """Return what was asked most often lately and is not judged yet."""
    since = clock.now() - timedelta(days=OFTEN_DAYS)
    latest = SearchRecord.objects.filter(collection=collection, at__gte=since).exclude(query="")
    latest = latest.order_by("-at", "-id")[:MOST_COUNTED]
    judged = collection.judged_queries.values("query")
    counted = (
        SearchRecord.objects.filter(pk__in=latest.values("pk"))
        .exclude(query__in=judged)
        .order_by()
        .values("query")
        .annotate(n=Count("pk"))
    )
    return [dict(row) for row in counted.order_by("-n", "query")[:N_OFTEN]]


def _found(collection: Collection, query: str, context: dict[str, Any]) -> int:
    """Put the documents to grade into the context and return the status of the page."""
    kept = JudgedQuery.objects.filter(collection=collection, query=query).first()
    gains = kept.gains if kept else {}
    snippets: dict[str, tuple[int, SafeString]] = {}
    status = 200
    try:
        result = searching.search(collection.name, query, top_k=N_ASKED).result
    except PortalError as error:
        context["error"] = error
        status = error.status
    else:
        for hit in result.hits:
            if hit.passage.document_id not in snippets and len(snippets) < N_GRADED:
                text = mark_safe(hit.snippet.html())  # noqa: S308 - escaped by the engine
                snippets[hit.passage.document_id] = (len(snippets) + 1, text)
    names = [*snippets, *(name for name in gains if name not in snippets)]
    rows = titles_of(collection, names)
    context |= {
        "judged": kept,
        "rows": [
            Graded(
                name,
                rows.get(name),
                snippets[name][1] if name in snippets else "",
                # What a judged query does not name was found not to help.
                gains.get(name, 0 if kept else None),
                snippets[name][0] if name in snippets else None,
            )
            for name in names
        ],
    }
    return status


def _gains(given: Any) -> dict[str, int]:
    """Return the grades of 1 to 3 that were sent, by document."""
    pairs = zip(given.getlist("document"), range(len(given.getlist("document"))), strict=True)
    graded = {name: given.get(f"grade-{place}", "") for name, place in pairs}
    return {name: int(grade) for name, grade in graded.items() if grade in {"1", "2", "3"}}


def _rows(file: Any) -> list[Mapping[str, Any]]:
    """Return the rows of a file, or raise ValueError."""
    rows = json.loads(file.read()) if file.size <= LARGEST_LIST else None
    if not isinstance(rows, list):
        raise ValueError(file.name)  # noqa: TRY004 - wrong content, as what json raises
    return rows


def _reason(error: PortalError) -> str:
    named = [f"{problem.field}: {problem.message}" for problem in error.problems]
    return " ".join(named) or str(error)
