"""What every step on a request checks: the digest, and who may not have a hand in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from portal.core import audit
from portal.core.actors import Actor
from portal.core.errors import Conflict, Refused
from portal.registry.models import PromotionDecision, PromotionRequest
from portal.registry.services.ground import find, target_of


@contextmanager
def step(request_id: UUID | str, verb: str, actor: Actor) -> Iterator[PromotionRequest]:
    """Give the request as it is known before any lock; whatever refuses the step is audited."""
    action = f"promotion.{verb}"
    with audit.refusals(actor, action, f"promotion {request_id}"):
        yield find(request_id)


def account(actor: Actor) -> int:
    """Return the number of the account behind an actor, which alone may ask and decide.

    Raises
    ------
    Refused
        If nobody's account stands behind the actor.
    """
    if actor.user_id is None:
        raise Refused(
            _("%(name)s is no account; promotions are asked for and decided by people.")
            % {"name": actor.name},
            code="no_account",
        )
    return actor.user_id


def record(actor: Actor, verb: str, request: PromotionRequest, reason: str, **detail: Any) -> None:
    """Write a step into the audit log; the last thing before the transaction ends."""
    detail = {"digest": request.digest, **detail}
    audit.record(actor, f"promotion.{verb}", target_of(request), reason=reason, detail=detail)


def check_digest(request: PromotionRequest, digest: str) -> None:
    """Raise :class:`Conflict` unless the caller names the evidence that the request holds."""
    if digest != request.digest:
        raise Conflict(
            _(
                "You decided on the evidence “%(seen)s”, but the request holds “%(held)s”: look at "
                "it again and send its digest."
            )
            % {"seen": (digest or "-")[:64], "held": request.digest},
            code="digest_mismatch",
        )


def check_not_requester(request: PromotionRequest, actor: Actor) -> None:
    """Raise :class:`Refused` for the account that asked, whichever key or session it uses."""
    if actor.user_id == request.requested_by_id:
        raise Refused(
            _("%(name)s asked for this promotion; somebody else must decide it.")
            % {"name": actor.name},
            code="own_request",
        )


def check_independent(request: PromotionRequest, actor: Actor) -> None:
    """Raise :class:`Refused` for whoever asked for the promotion or launched the run behind it."""
    check_not_requester(request, actor)
    if actor.user_id in launcher_ids(request):
        raise Refused(
            _("%(name)s launched the run behind %(version)s; somebody else must approve it.")
            % {"name": actor.name, "version": request.candidate},
            code="own_run",
        )


def launcher_ids(request: PromotionRequest) -> set[int]:
    """Return the accounts that launched the candidate's run, or a run it came from."""
    return set(request.candidate.lineage.get("launcher_ids", []))


def counts(decision: PromotionDecision, request: PromotionRequest) -> bool:
    """Whether a decision is an approval of this evidence by somebody who may still give it."""
    person = decision.decided_by
    return (
        decision.verdict == PromotionDecision.Verdict.APPROVE
        and decision.digest == request.digest
        and person.pk not in {request.requested_by_id, *launcher_ids(request)}
        and Actor.of_user(person, via="person").holds("registry.approve_promotion")
    )
