"""The list of promotion requests and the page on which one is decided."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from portal.core import formats
from portal.core.admin.base import (
    Act,
    EvidenceAdmin,
    OptionalReasonForm,
    ReasonForm,
    actor_of,
    grants_of,
    require,
    tell,
)
from portal.core.errors import PortalError
from portal.registry import services
from portal.registry.models import PromotionRequest

State = PromotionRequest.State


@admin.register(PromotionRequest)
class PromotionRequestAdmin(EvidenceAdmin[PromotionRequest]):
    page_template = "registry/promotion.html"
    empty_hint = _("Open a version and press “Ask for promotion”; the request appears here.")
    row_pages = ("approve", "reject", "withdraw", "apply")
    list_display = ("candidate_name", "state_badge", "outcome", "asker", "created", "expires")
    list_filter = ("state", "model")
    search_fields = ("model__name", "reason", "requested_by__username", "digest")
    list_select_related = ("candidate__model", "requested_by", "gate")

    def get_queryset(self, request: HttpRequest) -> QuerySet[PromotionRequest]:
        rows = super().get_queryset(request)
        return rows.select_related(
            "model", "candidate__model", "champion__model", "requested_by", "gate__evaluation_set"
        )

    @admin.display(description=_("candidate"), ordering="candidate")
    def candidate_name(self, obj: PromotionRequest) -> str:
        return str(obj.candidate)

    @admin.display(description=_("state"), ordering="state")
    def state_badge(self, obj: PromotionRequest) -> SafeString:
        return formats.state_badge(obj.state, obj.get_state_display())

    @admin.display(description=_("gate"), ordering="gate__outcome")
    def outcome(self, obj: PromotionRequest) -> SafeString:
        return formats.state_badge(obj.gate.outcome, obj.gate.get_outcome_display())

    @admin.display(description=_("asked for by"), ordering="requested_by")
    def asker(self, obj: PromotionRequest) -> str:
        return obj.requester

    @admin.display(description=_("asked"), ordering="created_at")
    def created(self, obj: PromotionRequest) -> str:
        return formats.moment(obj.created_at)

    @admin.display(description=_("expires"), ordering="expires_at")
    def expires(self, obj: PromotionRequest) -> str:
        return formats.moment(obj.expires_at)

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        return self._context(request, obj, ReasonForm())

    def _context(
        self, request: HttpRequest, obj: PromotionRequest, form: ReasonForm
    ) -> dict[str, Any]:
        decisions = list(obj.decisions.select_related("decided_by"))
        return {
            "title": str(obj.candidate),
            "promotion": obj,
            "gate": obj.gate,
            "report": obj.gate.report,
            "verdict": services.sentences(obj.gate),
            "form": form,
            "decisions": decisions,
            "moves": obj.moves.all(),
            **self._rights(request, obj, {decision.decided_by_id for decision in decisions}),
        }

    def _rights(
        self, request: HttpRequest, obj: PromotionRequest, decided: set[int]
    ) -> dict[str, Any]:
        """Return which buttons are drawn for this person; the services decide in the end."""
        grants, person = grants_of(request), request.user.pk
        launchers = obj.candidate.lineage.get("launcher_ids", [])
        is_requester = obj.requested_by_id == person
        may_judge = "registry.approve_promotion" in grants and obj.is_live and person not in decided
        return {
            "is_requester": is_requester,
            "is_launcher": person in launchers,
            "has_decided": person in decided,
            "may_approve": may_judge and not is_requester and person not in launchers,
            "may_reject": may_judge and not is_requester,
            "may_apply": obj.state == State.APPROVED and "registry.apply_promotion" in grants,
            "may_withdraw": obj.is_live and is_requester,
        }

    def approve_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._decide(
            request,
            object_id,
            "registry.approve_promotion",
            services.approve,
            _("Approved. Now it can be applied."),
        )

    def reject_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._decide(
            request,
            object_id,
            "registry.approve_promotion",
            services.reject,
            _("Rejected. Nothing goes live."),
        )

    def apply_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._decide(
            request,
            object_id,
            "registry.apply_promotion",
            services.apply,
            _("The version is live."),
            form_class=OptionalReasonForm,
        )

    def _decide(
        self,
        request: HttpRequest,
        object_id: str,
        permission: str,
        act: Callable[..., object],
        done: Any,
        form_class: type[ReasonForm] = ReasonForm,
    ) -> HttpResponse:
        """Pass on a decision with the reason and the digest that the person saw on the page."""
        promotion = self.find(request, object_id)
        back = self.url("change", promotion.pk)
        if request.method != "POST":
            return HttpResponseRedirect(back)
        require(request, permission)
        form = form_class(request.POST)
        if not form.is_valid():
            context = self._context(request, promotion, form)
            return self.page(request, self.page_template, context, obj=promotion, status=422)
        try:
            act(
                request_id=promotion.pk,
                reason=form.cleaned_data["reason"],
                digest=request.POST.get("digest", ""),
                actor=actor_of(request),
            )
        except PortalError as error:
            tell(request, error)
        else:
            messages.success(request, done)
        return HttpResponseRedirect(back)

    def withdraw_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        promotion = self.find(request, object_id)
        act = Act(
            title=_("Withdraw the request for %(version)s?") % {"version": promotion.candidate},
            effects=[
                _("The request is closed; nobody can approve or apply it any more."),
                _("Nothing goes live. The version stays and can be asked for again."),
            ],
            button=_("Withdraw"),
            done=_("The request is withdrawn."),
            tone="danger",
        )
        return self.confirm(
            request,
            act,
            lambda form: services.withdraw(
                request_id=promotion.pk,
                reason=form.cleaned_data["reason"],
                actor=actor_of(request),
            ),
            back=self.url("change", promotion.pk),
            obj=promotion,
        )
