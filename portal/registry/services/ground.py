"""Whether a live request still stands: its time, its candidate, its evidence."""

from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from portal.core import audit
from portal.core.actors import Actor
from portal.core.errors import Conflict, NotFound
from portal.lib import clock
from portal.registry.models import (
    PORTAL_NAME,
    ModelVersion,
    PromotionRequest,
    RegisteredModel,
)
from portal.registry.services import evidence
from portal.registry.services.aliases import lock

State = PromotionRequest.State
PORTAL = Actor.system(PORTAL_NAME)


def find(request_id: UUID | str) -> PromotionRequest:
    """Return a request with everything its evidence speaks of.

    Raises
    ------
    NotFound
        If there is none.
    """
    found = (
        PromotionRequest.objects.filter(pk=request_id)
        .select_related("model", "candidate__model", "champion__model", "gate__evaluation_set")
        .select_related("requested_by")
        .first()
    )
    if found is None:
        raise NotFound(_("There is no promotion request %(id)s.") % {"id": request_id})
    return found


def settle(request_id: UUID | str) -> PromotionRequest:
    """Expire or void a live request whose time or ground is gone; return it as it is now."""
    with transaction.atomic(durable=True):
        request = _lock(request_id)
        trouble = _trouble(request) if request.is_live else None
        if trouble is not None:
            state, reason = trouble
            close(request, state, reason)
            audit.record(PORTAL, f"promotion.{_VERBS[state]}", target_of(request), reason=reason)
    return request


def standing(request_id: UUID | str, *states: str) -> PromotionRequest:
    """Return the locked request when it is in one of the states and still stands.

    Raises
    ------
    Conflict
        If it is over, not yet there, expired or void; the message says which.
    """
    request = _lock(request_id)
    if request.state not in states:
        raise _wrong_state(request)
    trouble = _trouble(request)
    if trouble is not None:
        raise Conflict(trouble[1], code=trouble[0])
    return request


def close(request: PromotionRequest, state: str, reason: str) -> None:
    """Move a live request to another state, provided nobody else did meanwhile.

    Raises
    ------
    Conflict
        If the state changed since the request was read.
    """
    over = state not in PromotionRequest.LIVE_STATES
    changed = PromotionRequest.objects.filter(pk=request.pk, state=request.state).update(
        state=state, state_reason=reason, closed_at=clock.now() if over else None
    )
    if not changed:
        raise Conflict(
            _("Somebody else decided this request a moment ago; look again."), code="raced"
        )
    request.refresh_from_db()


def void_live(model: RegisteredModel, reason: str, actor: Actor) -> None:
    """Void whatever request of a model is live; the caller holds the model's lock."""
    for request in PromotionRequest.objects.filter(
        model=model, state__in=PromotionRequest.LIVE_STATES
    ).select_related("candidate__model"):
        close(request, State.VOIDED, reason)
        audit.record(actor, "promotion.void", target_of(request), reason=reason)


def target_of(request: PromotionRequest) -> str:
    """Return how the audit log names a request."""
    return f"promotion {request.pk} of {request.candidate}"


def page_of(request: PromotionRequest) -> str:
    """Return the address of a request's page in the console."""
    return f"/admin/registry/promotionrequest/{request.pk}/change/"


_VERBS = {State.EXPIRED.value: "expire", State.VOIDED.value: "void"}


def _lock(request_id: UUID | str) -> PromotionRequest:
    lock(find(request_id).model)
    return find(request_id)


def _trouble(request: PromotionRequest) -> tuple[str, str] | None:
    """Return the state a live request should be in instead, and why; None while it stands."""
    if request.expires_at <= clock.now():
        return State.EXPIRED.value, _(
            "The request expired on %(at)s; ask again if the version is still wanted."
        ) % {"at": request.expires_at.isoformat(timespec="minutes")}
    if request.candidate.state != ModelVersion.State.READY:
        return State.VOIDED.value, _(
            "%(version)s is %(state)s: %(reason)s. The request is void."
        ) % {
            "version": request.candidate,
            "state": request.candidate.get_state_display(),
            "reason": request.candidate.state_reason or "-",
        }
    changed = evidence.changes(request)
    if changed:
        return State.VOIDED.value, _(
            "What was requested is no longer what would go live; changed since: %(parts)s. The "
            "request is void; ask again on the new ground."
        ) % {"parts": ", ".join(changed)}
    return None


def _wrong_state(request: PromotionRequest) -> Conflict:
    if request.state in (State.EXPIRED, State.VOIDED):
        return Conflict(request.state_reason, code=request.state)
    if request.state == State.OPEN:
        return Conflict(
            _("The request is not approved yet; somebody else must approve it first."),
            code="not_approved",
        )
    return Conflict(
        _("The request is already in the state “%(state)s”; nothing is left to do.")
        % {"state": request.get_state_display()},
        code="request_over",
    )
