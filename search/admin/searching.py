"""The search page: query, filters, hits and why they were found.

It asks as programs do: within the quota and the gate, from the cache where that has it, logged.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Count
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from portal.core.admin.base import grants_of, require
from portal.core.errors import InvalidInput, PortalError
from search import selectors
from search.admin import kinds, tree
from search.admin.forms import MOST_HITS, N_HITS, SearchForm
from search.admin.hits import keys_of, shown
from search.models import Collection, Document
from search.services import collections, querylog, quotas, replies, searching, serving
from search.services.serving import Query, Served

VIEW = "search.view_document"
#: Cut from what the box shows, not from what is asked.
LONGEST_LOGGED = 1000
N_KINDS = 30
#: Passages of one document among the hits, so that a long one does not fill the page. Ours.
PER_DOCUMENT = 3

if TYPE_CHECKING:
    from portal.core.admin.base import PagesMixin
else:
    PagesMixin = object


class SearchPages(PagesMixin):
    """The search page and what it sends back."""

    def search_view(self, request: HttpRequest) -> HttpResponse:
        """Answer a query; without one, show what there is to search."""
        require_view(request)
        known = list(Collection.objects.order_by("name"))
        form = SearchForm(request.GET, known)
        context: dict[str, Any] = {
            "title": _("Search"),
            "form": form,
            "query": request.GET.get("q", "")[:LONGEST_LOGGED],
            "grants": grants_of(request),
        }
        status = 200
        if known:
            context |= _around(_chosen(known, request.GET.get("collection", "")), form)
            status = self._answered(request, form, context)
        return self.page(request, "search/search.html", context, status=status)

    def _answered(self, request: HttpRequest, form: SearchForm, context: dict[str, Any]) -> int:
        """Put hits, or why there are none, into the context and return the status."""
        if not form.is_valid():
            context["problems"] = [error for errors in form.errors.values() for error in errors]
            return InvalidInput.status
        if not form.cleaned_data["q"].strip():
            return 200
        collection = context["collection"]
        try:
            found = _asked(collection.name, form, principal_of(request))
        except PortalError as error:
            context |= {"error": error, "is_unbuilt": error.specific_code == "no_index"}
            return error.status
        hits = found.hits()
        context |= {
            "found": found,
            "hits": shown(collection, hits),
            "grade_query": urlencode({"collection": collection.name, "q": context["query"]}),
            "vector_weight": _vector_weight(collection.name, form.cleaned_data["mode"]),
            "next_k": _next(form.cleaned_data["k"]) if len(hits) == form.cleaned_data["k"] else 0,
        }
        return 200

    def answer_view(self, request: HttpRequest) -> HttpResponse:
        """Return the card with the answer to a question; the page asks for it beside the hits."""
        require_view(request)
        form = SearchForm(request.GET, list(Collection.objects.order_by("name")))
        if not form.is_valid() or not form.cleaned_data["q"].strip():
            return HttpResponse(status=InvalidInput.status)
        given = form.cleaned_data
        context: dict[str, Any] = {}
        status = 200
        try:
            collection = collections.get(given["collection"])
            quotas.spend(principal_of(request))
            found = replies.reply(collection.name, given["q"], filters=form.filters).members()
        except PortalError as error:
            context["error"] = error
            status = error.status
        else:
            context |= {"answer": found, "sources": _sources(collection, found)}
        return TemplateResponse(request, "search/_answer.html", context, status=status)

    def click_view(self, request: HttpRequest) -> HttpResponse:
        """Keep that somebody opened a hit."""
        require_view(request)
        if request.method != "POST":
            return JsonResponse({"code": "method_not_allowed"}, status=405)
        given = request.POST
        try:
            querylog.click(
                search_id=_uuid(given.get("search", "")),
                collection=collections.get(given.get("collection", "")),
                external_id=given.get("document", ""),
                passage_id=given.get("passage", ""),
                rank=_whole(given.get("rank", "")),
                principal=principal_of(request),
            )
        except PortalError as error:
            return JsonResponse(
                {"code": error.specific_code, "detail": str(error)}, status=error.status
            )
        return HttpResponse(status=204)


def _sources(collection: Collection, found: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what an answer cites, each with the row of its document if it is still there."""
    cited = {number for sentence in found["sentences"] for number in sentence["citations"]}
    named = [one for one in found["sources"] if one["number"] in cited]
    keys = keys_of(collection, {one["document"]["external_id"] for one in named})
    return [one | {"pk": keys.get(one["document"]["external_id"])} for one in named]


def require_view(request: HttpRequest) -> None:
    """Raise PermissionDenied unless the person may read documents."""
    if not request.user.has_perm(VIEW):
        require(request, VIEW)


def principal_of(request: HttpRequest) -> str:
    """Return the person as records name them."""
    return f"user:{request.user.pk}"


def _chosen(known: Sequence[Collection], name: str) -> Collection:
    return next((one for one in known if one.name == name), known[0])


def _around(collection: Collection, form: SearchForm) -> dict[str, Any]:
    """Return what stands beside the hits: the taxonomy and kinds with counts, what is chosen."""
    path = form.data.get("path", "").strip("/")[:500]
    kept = Document.objects.present().filter(collection=collection).exclude(content_type="")
    counted = kept.order_by().values("content_type").annotate(n=Count("pk"))
    return {
        "collection": collection,
        "tree": tree.grow(selectors.taxonomy(collection), path),
        "trail": tree.trail(path),
        "kinds": [
            {**row, "name": kinds.name_of(row["content_type"])}
            for row in counted.order_by("-n", "content_type")[:N_KINDS]
        ],
        "kind_name": kinds.name_of(form.data.get("kind", "")),
        "n_documents": Document.objects.present().filter(collection=collection).count(),
        "chosen": {name: form.data.get(name, "") for name in ("path", "kind", "since", "until")},
        "mode": form.data.get("mode", ""),
    }


def _asked(name: str, form: SearchForm, principal: str) -> Served:
    """Ask as a program would, with few passages of one document."""
    given = form.cleaned_data
    quotas.spend(principal)
    searching.held(name)  # before what it is asked with is looked up
    asked = Query(
        collection=name,
        query=given["q"],
        mode=given["mode"],
        top_k=given["k"],
        filters=form.filters,
        options=replace(searching.defaults(name), per_document=PER_DOCUMENT),
    )
    return serving.search(asked, principal)


def _vector_weight(name: str, mode: str) -> float | None:
    """Return how much meaning counts beside words in a collection; None in a single leg."""
    if mode != "hybrid":
        return None
    own = searching.defaults(name).vector_weight
    if own is not None:
        return own
    stored = searching.held(name).index.manifest.parameters.get("vector_weight")
    return float(stored) if isinstance(stored, int | float) else None


def _next(k: int) -> int:
    """Return how many hits to show when more are asked for, 0 when that is all."""
    return min(max(2 * k, 2 * N_HITS), MOST_HITS) if k < MOST_HITS else 0


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        message = _("“%(seen)s” is no identifier of a search: send the one of the answer.")
        raise InvalidInput(message % {"seen": text[:80]}, code="bad_id") from None


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
