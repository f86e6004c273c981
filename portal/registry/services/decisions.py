"""Deciding a request: approve, reject, withdraw."""

from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from portal.core.actors import Actor
from portal.core.errors import Conflict, Refused
from portal.registry.models import GateEvaluation, PromotionDecision, PromotionRequest
from portal.registry.services.checks import (
    account,
    check_digest,
    check_independent,
    check_not_requester,
    record,
    step,
)
from portal.registry.services.ground import close, settle, standing
from portal.registry.services.reasons import checked_reason

State = PromotionRequest.State
Verdict = PromotionDecision.Verdict
# Ours: whoever lets an unproved version through says more than “ok”;
# tests/registry/test_promotion.py.
UNPROVED_MIN_CHARS = 10


def approve(
    *, request_id: UUID | str, digest: str, actor: Actor, reason: str = ""
) -> PromotionRequest:
    """Approve exactly the evidence of that digest.

    A further person may approve an approved request: one approval that still counts is enough to
    apply.

    Raises
    ------
    Refused
        If the actor may not approve, asked for the promotion, or launched the run behind the
        version.
    InvalidInput
        If the gate was inconclusive and the reason says less than ten characters.
    Conflict
        If the digest is another one, or the request is over, expired or void.
    """
    with step(request_id, "approve", actor) as known:
        actor.require("registry.approve_promotion")
        settle(known.pk)
        with transaction.atomic(durable=True):
            request = standing(known.pk, State.OPEN, State.APPROVED)
            check_digest(request, digest)
            check_independent(request, actor)
            unproved = request.gate.outcome == GateEvaluation.Outcome.INCONCLUSIVE
            reason = checked_reason(reason, min_chars=UNPROVED_MIN_CHARS if unproved else 0)
            _decide(request, Verdict.APPROVE, reason, actor)
            if request.state == State.OPEN:
                close(request, State.APPROVED, reason)
            record(actor, "approve", request, reason)
        return request


def reject(*, request_id: UUID | str, reason: str, digest: str, actor: Actor) -> PromotionRequest:
    """Close a request with a no; also one that somebody else approved.

    Raises
    ------
    Refused
        If the actor may not decide, or is the requester, who withdraws instead.
    InvalidInput
        Without a reason.
    Conflict
        As :func:`approve`.
    """
    with step(request_id, "reject", actor) as known:
        actor.require("registry.approve_promotion")
        reason = checked_reason(reason)
        settle(known.pk)
        with transaction.atomic(durable=True):
            request = standing(known.pk, State.OPEN, State.APPROVED)
            check_digest(request, digest)
            check_not_requester(request, actor)
            _decide(request, Verdict.REJECT, reason, actor)
            close(request, State.REJECTED, reason)
            record(actor, "reject", request, reason)
        return request


def withdraw(
    *, request_id: UUID | str, actor: Actor, reason: str = "", digest: str = ""
) -> PromotionRequest:
    """Take one's own request back.

    Raises
    ------
    Refused
        If somebody else asked for the promotion.
    Conflict
        If the request is over, or a digest is given and it is another one.
    """
    with step(request_id, "withdraw", actor) as known:
        if not actor.is_person or actor.user_id != known.requested_by_id:
            raise Refused(
                _("Only %(name)s, who asked for this promotion, can withdraw it; others reject it.")
                % {"name": known.requester},
                code="not_the_requester",
            )
        reason = checked_reason(reason, min_chars=0)
        settle(known.pk)
        with transaction.atomic(durable=True):
            request = standing(known.pk, State.OPEN, State.APPROVED)
            check_digest(request, digest or request.digest)
            close(request, State.WITHDRAWN, reason)
            record(actor, "withdraw", request, reason)
        return request


def _decide(request: PromotionRequest, verdict: Verdict, reason: str, actor: Actor) -> None:
    if request.decisions.filter(decided_by=actor.user_id).exists():
        raise Conflict(
            _("%(name)s has decided this request already; a word is given once.")
            % {"name": actor.name},
            code="decided_already",
        )
    PromotionDecision.objects.create(
        request=request,
        verdict=verdict,
        decided_by_id=account(actor),
        via=actor.via,
        reason=reason,
        digest=request.digest,
    )
