"""The search page: query, filters, hits and why they were found."""

import time
from collections.abc import Mapping, Sequence
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
from portal.core.request_context import current_request_id
from search import selectors
from search.admin import tree
from search.admin.forms import MOST_HITS, N_HITS, SearchForm
from search.admin.hits import keys_of, shown
from search.engine.passages import Passage
from search.models import Collection, Document, SearchRecord
from search.services import answers, collections, querylog, searching
from search.services.answers import Answer
from search.services.searching import Found

VIEW = "search.view_document"
#: Cut from what the log keeps, not from what is asked.
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
            found, took_ms = _timed(collection.name, form)
        except PortalError as error:
            context |= {"error": error, "is_unbuilt": error.specific_code == "no_index"}
            return error.status
        record = _record(request, collection, form, found, took_ms)
        querylog.note(record)
        hits = found.result.hits
        context |= {
            "found": found,
            "hits": shown(collection, hits),
            "took_ms": took_ms,
            "record": record,
            "grade_query": urlencode({"collection": collection.name, "q": record.query}),
            "vector_weight": _vector_weight(found),
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
            found = answers.answer(collection.name, given["q"], filters=form.filters)
        except PortalError as error:
            context["error"] = error
            status = error.status
        else:
            keys = keys_of(collection, {hit.passage.document_id for hit in found.sources})
            context |= {"answer": found, "sources": _sources(found, keys)}
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


def _sources(found: Answer, keys: Mapping[str, int]) -> list[tuple[int, Passage, int | None]]:
    """Return what an answer cites: number, passage and the row of its document."""
    cited = {number for sentence in found.sentences for number in sentence.citations}
    numbered = [(number, hit.passage) for number, hit in enumerate(found.sources, 1)]
    return [(n, own, keys.get(own.document_id)) for n, own in numbered if n in cited]


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
    kinds = Document.objects.present().filter(collection=collection).exclude(content_type="")
    counted = kinds.order_by().values("content_type").annotate(n=Count("pk"))
    return {
        "collection": collection,
        "tree": tree.grow(selectors.taxonomy(collection), path),
        "trail": tree.trail(path),
        "kinds": counted.order_by("-n", "content_type")[:N_KINDS],
        "n_documents": Document.objects.present().filter(collection=collection).count(),
        "chosen": {name: form.data.get(name, "") for name in ("path", "kind", "since", "until")},
        "mode": form.data.get("mode", ""),
    }


def _timed(name: str, form: SearchForm) -> tuple[Found, float]:
    given = form.cleaned_data
    began = time.perf_counter()
    found = searching.search(
        name,
        given["q"],
        mode=given["mode"],
        top_k=given["k"],
        filters=form.filters,
        options=replace(searching.defaults(name), per_document=PER_DOCUMENT),
    )
    return found, 1000 * (time.perf_counter() - began)


def _record(
    request: HttpRequest, collection: Collection, form: SearchForm, found: Found, took_ms: float
) -> SearchRecord:
    given, hits = form.cleaned_data, found.result.hits
    return SearchRecord(
        id=querylog.new_id(),
        collection=collection,
        query=given["q"].replace("\x00", "")[:LONGEST_LOGGED],
        mode=given["mode"],
        top_k=given["k"],
        filters=form.filters,
        version=found.version,
        n_hits=len(hits),
        took_ms=took_ms,
        degraded=list(found.result.degraded),
        document_ids=list(dict.fromkeys(hit.passage.document_id for hit in hits))[:10],
        principal=principal_of(request),
        request_id=current_request_id()[:64],
    )


def _vector_weight(found: Found) -> float | None:
    """Return how much meaning counts beside words in this collection; None in a single leg."""
    if found.result.mode != "hybrid":
        return None
    own = searching.defaults(found.collection).vector_weight
    if own is not None:
        return own
    stored = searching.held(found.collection).index.manifest.parameters.get("vector_weight")
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
