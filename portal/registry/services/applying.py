"""Putting an approved version live."""

from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from portal.core import audit, notices
from portal.core.actors import Actor
from portal.core.errors import Conflict, Corrupt
from portal.registry import families
from portal.registry.models import Alias, AliasMove, PromotionRequest
from portal.registry.services.aliases import move
from portal.registry.services.checks import check_digest, counts, record, step
from portal.registry.services.ground import (
    PORTAL,
    close,
    page_of,
    settle,
    standing,
    target_of,
)
from portal.registry.services.manifests import verify
from portal.registry.services.reasons import checked_reason

State = PromotionRequest.State


def apply(
    *, request_id: UUID | str, digest: str, actor: Actor, reason: str = ""
) -> PromotionRequest:
    """Put an approved version live: verify and warm it, check everything again, move the alias.

    Raises
    ------
    Refused
        If the actor may not apply.
    Conflict
        If the request is not approved, over, expired or void, the digest is another one, nobody
        whose approval still counts is left, or another apply came first.
    Corrupt
        If the version's files are damaged; the request is then void.
    """
    with step(request_id, "apply", actor) as known:
        actor.require("registry.apply_promotion")
        reason = checked_reason(reason, min_chars=0)
        settle(known.pk)
        with transaction.atomic(durable=True):
            _check_applicable(known.pk, digest)
        warm_candidate(known, State.APPROVED)
        with transaction.atomic(durable=True):
            request = _check_applicable(known.pk, digest)
            actor.require("registry.apply_promotion")
            close(request, State.APPLIED, reason)
            row = move(
                model=request.model,
                alias=Alias.CHAMPION,
                kind=AliasMove.Kind.PROMOTION,
                to=request.candidate,
                actor=actor,
                reason=reason or request.reason,
                promotion=request,
            )
            _tell(request, actor)
            record(actor, "apply", request, reason, move=row.pk)
        return request


def _check_applicable(request_id: UUID, digest: str) -> PromotionRequest:
    request = standing(request_id, State.APPROVED)
    check_digest(request, digest)
    if not any(counts(decision, request) for decision in request.decisions.all()):
        raise Conflict(
            _(
                "Nobody who approved this request may approve promotions any more; another "
                "approver must approve it, or its requester withdraw it."
            ),
            code="approval_lapsed",
        )
    return request


def warm_candidate(request: PromotionRequest, state: str) -> None:
    """Verify and load the candidate; one that is damaged can never be applied.

    Raises
    ------
    Corrupt
        If a file is damaged; the request, which is in the given state, is then void.
    """
    try:
        verify(request.candidate)
        families.get(request.model.family).warm(request.candidate)
    except Corrupt as exc:
        with transaction.atomic(durable=True):
            live = standing(request.pk, state)
            close(live, State.VOIDED, str(exc))
            audit.record(PORTAL, "promotion.void", target_of(live), reason=str(exc))
        raise


def _tell(request: PromotionRequest, actor: Actor) -> None:
    subject = _("%(name)s put %(version)s live.") % {
        "name": actor.name,
        "version": request.candidate,
    }
    notices.send(
        kind="promotion.applied",
        subject=subject,
        body=request.reason,
        url=page_of(request),
        key=f"promotion.applied:{request.pk}",
    )
