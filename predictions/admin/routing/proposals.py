"""Proposed routings in the admin: ask for one, read why, accept or correct it."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _g
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.paginator import InfinitePaginator

from portal.core import formats
from portal.core.admin.base import EvidenceAdmin, grants_of, require
from portal.core.errors import PortalError
from portal.core.request_context import current_request_id
from predictions.admin.predictions import principal_name
from predictions.admin.routing import steps
from predictions.admin.routing.forms import ItemForm, label_of
from predictions.engine.calibration import wilson
from predictions.engine.routing.schema import ITEM_COLUMNS
from predictions.models import RoutingPrediction
from predictions.services.answering import Caller
from predictions.services.routing import answering, feedback, serving
from predictions.services.routing.answering import Wanted

#: What a person needs to ask, as over the API.
ASK = "predictions.view_prediction"
DECIDE = "predictions.add_routingoutcome"


@admin.register(RoutingPrediction)
class RoutingPredictionAdmin(EvidenceAdmin[RoutingPrediction]):
    page_template = "predictions/routing/proposal.html"
    list_before_template = "predictions/routing/_ask_link.html"
    row_pages = ("decide",)
    list_pages = ("ask",)
    empty_hint = _("Ask for a routing here or over the API; every proposal is recorded.")
    paginator = InfinitePaginator
    show_full_result_count = False
    list_display = (
        "when",
        "item_code",
        "name",
        "sureness",
        "chance",
        "steps",
        "answered_by",
        "took",
    )
    list_filter = (("at", RangeDateTimeFilter), "confidence")
    list_filter_submit = True
    search_fields = ("id", "item_code", "request_id")
    search_help_text = _("Proposal id, item code or request id")
    list_select_related = ("version__model",)

    @admin.display(description=_("time"), ordering="at")
    def when(self, obj: RoutingPrediction) -> str:
        return formats.moment(obj.at)

    @admin.display(description=_("item name"))
    def name(self, obj: RoutingPrediction) -> str:
        return str(obj.item.get("item_name") or formats.DASH)

    @admin.display(description=_("confidence"), ordering="confidence")
    def sureness(self, obj: RoutingPrediction) -> SafeString:
        if obj.is_refused:
            return formats.badge(_("refused"), "warn")
        return formats.state_badge(obj.confidence, obj.get_confidence_display())

    @admin.display(description=_("probability of being exact"), ordering="probability")
    def chance(self, obj: RoutingPrediction) -> str:
        return formats.DASH if obj.is_refused else formats.share(obj.probability)

    @admin.display(description=_("steps"), ordering="n_steps")
    def steps(self, obj: RoutingPrediction) -> str:
        return formats.number(obj.n_steps)

    @admin.display(description=_("model version"), ordering="version")
    def answered_by(self, obj: RoutingPrediction) -> str:
        return str(obj.version)

    @admin.display(description=_("answered in"), ordering="latency_ms")
    def took(self, obj: RoutingPrediction) -> str:
        return _g("%(n)s ms") % {"n": formats.number(obj.latency_ms, 2)}

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        given = [
            (label_of(column), obj.item[column.name])
            for column in ITEM_COLUMNS
            if obj.item.get(column.name) not in (None, "")
        ]
        borrowed = request.GET.get("from", "")
        decided = obj.outcomes.order_by("-recorded_at", "-pk")
        return {
            "proposal": obj,
            "answer": obj.answer,
            "given": given,
            "asked_by": principal_name(obj.principal),
            "decisions": [(row, principal_name(row.reported_by)) for row in decided],
            "may_decide": DECIDE in grants_of(request),
            "lines": steps.borrowed_lines(obj.answer, borrowed),
            "is_changed": bool(borrowed),
            "operations": steps.known_names(obj.answer, "operation"),
            "work_centers": steps.known_names(obj.answer, "work_center"),
            "n_candidates": len(obj.answer["candidates"]),
            "kept_promise": kept_promise(obj),
        }

    # --- Asking -----------------------------------------------------------------------------------
    def ask_view(self, request: HttpRequest) -> HttpResponse:
        """Ask about an item and show what was proposed, or what is wrong with the item."""
        require(request, ASK)
        form = ItemForm(request.POST or None)
        status = 200
        if form.is_bound and form.is_valid():
            try:
                told = self._proposed(request, form.item)
            except PortalError as error:
                status = error.status
                self._complain(form, error)
            else:
                return HttpResponseRedirect(self.url("change", told["prediction_id"]))
        elif form.is_bound:
            status = 422
        context = {
            "title": _("Ask for a routing"),
            "form": form,
            "held": serving.routing.held,
            "back": self.url("changelist"),
        }
        return self.page(request, "predictions/routing/ask.html", context, status=status)

    def _proposed(self, request: HttpRequest, item: dict[str, Any]) -> dict[str, Any]:
        caller = Caller(f"user:{request.user.pk}", current_request_id())
        answers = answering.answer(serving.routing, [item], Wanted(), caller, is_batch=False)
        return answers.answers[0]

    def _complain(self, form: ItemForm, error: PortalError) -> None:
        """Put each problem at the field it is about."""
        for problem in error.problems:
            name = problem.field.removeprefix("item.")
            form.add_error(name if name in form.fields else None, problem.message)
        if not error.problems:
            form.add_error(None, str(error))

    # --- Deciding ---------------------------------------------------------------------------------
    def decide_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Keep the routing that the item gets: accepted as proposed, or what it got instead."""
        proposal = self.find(request, object_id)
        require(request, DECIDE)
        back = self.url("change", proposal.pk)
        if request.method != "POST":
            return HttpResponseRedirect(back)
        lines = steps.posted_lines(proposal.answer, request.POST)
        is_accepted = steps.is_as_proposed(lines, proposal)
        code = request.POST.get("item_code", "").strip()
        said: dict[str, Any] = {"item_code": code} if code else {}
        said |= {"accepted": True} if is_accepted else {"routing": [line.step for line in lines]}
        try:
            feedback.decide(proposal.pk, said, reported_by=f"user:{request.user.pk}")
        except PortalError as error:
            context = self.page_context(request, proposal) | {
                "title": str(proposal),
                "complaints": steps.place_errors(lines, error),
                "lines": lines or steps.proposed_lines(proposal.answer),
                "item_code": code,
                "is_changed": True,
            }
            return self.page(request, self.page_template, context, obj=proposal, status=422)
        done = _("The routing is accepted.") if is_accepted else _("The correction is kept.")
        self.message_user(request, done)
        return HttpResponseRedirect(f"{back}#decisions")


def kept_promise(proposal: RoutingPrediction) -> dict[str, Any] | None:
    """Return how often items of the same confidence came out exact when the version was judged.

    Returns
    -------
    dict or None
        Number of held-out items `n`, share `exact` and the 95 % interval `low`, `high`; None where
        no such item was judged.
    """
    levels = proposal.version.evaluation.get("confidence_levels", {})
    row = levels.get(proposal.confidence)
    if not row or not row.get("n"):
        return None
    low, high = wilson(row["exact"], row["n"])
    return {"n": row["n"], "exact": row["exact"], "low": low, "high": high}
