"""What the portal does by itself: judge a version, ask for it, and apply it where that is allowed.

A person's rules stay in :mod:`requests` and :mod:`applying`. The portal asks only for a version
that passed its gate, and puts it live only when the model's policy says so; the database checks
both.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from portal.core import alerts, notices
from portal.core.actors import Actor
from portal.core.errors import Conflict, Refused
from portal.core.models import Alert
from portal.registry import selectors
from portal.registry.models import (
    Alias,
    AliasMove,
    GateEvaluation,
    ModelVersion,
    PromotionRequest,
)
from portal.registry.services import gates
from portal.registry.services.aliases import move
from portal.registry.services.applying import warm_candidate
from portal.registry.services.checks import record, step
from portal.registry.services.ground import close, page_of, settle, standing
from portal.registry.services.manifests import verify
from portal.registry.services.reasons import checked_reason
from portal.registry.services.requests import check_requestable, open_request, settle_live
from portal.registry.services.versions import check_policy

State = PromotionRequest.State


def weigh(version: ModelVersion) -> GateEvaluation:
    """Judge a version against the champion and return the verdict, not yet written.

    Loads and scores models: call it outside any transaction. A verdict on the same two versions by
    the same policy is returned as it was written.

    Raises
    ------
    Conflict
        If the version cannot go live, is live, another request waits, or it cannot be scored.
    Corrupt
        If a file is damaged.
    """
    champion = selectors.champion(version.model.name)
    settle_live(version)
    check_requestable(version, champion)
    verify(version)
    policy = check_policy(version.model.gate_policy).to_dict()
    known = GateEvaluation.objects.filter(candidate=version, champion=champion).order_by("-pk")
    for gate in known:
        if gate.report["policy"] == policy:
            return gate
    return gates.weigh(candidate=version, champion=champion)


def propose(*, gate: GateEvaluation, reason: str, actor: Actor) -> PromotionRequest:
    """Ask for a version that passed, in nobody's name: a person must approve it.

    Call it in the transaction that the verdict is written in.

    Raises
    ------
    Refused
        For a person, who asks in their own name, and for a version that did not pass.
    Conflict
        If the ground changed since the version was judged, or another request came first.
    """
    if actor.is_person or gate.outcome != GateEvaluation.Outcome.PASSED:
        raise Refused(
            _("Only the portal itself asks in nobody's name, and only for a version that passed."),
            code="not_automatic",
        )
    if gate.pk is None:
        gate.save(force_insert=True)
    version = gate.candidate
    return open_request(version, gate.champion, gate, checked_reason(reason), actor)


def applies_itself(request: PromotionRequest) -> bool:
    """Whether the model's policy lets this request be applied without a person's approval."""
    return (
        request.requested_by_id is None
        and request.gate.outcome == GateEvaluation.Outcome.PASSED
        and check_policy(request.model.gate_policy).auto_apply
    )


def apply_automatically(
    *,
    request_id: UUID | str,
    actor: Actor,
    within: Callable[[], AbstractContextManager[Any]] = transaction.atomic,
    is_routine: bool = False,
) -> PromotionRequest:
    """Put a version live that passed, where the model's policy allows it without approval.

    Parameters
    ----------
    request_id
        A request of the portal itself.
    actor
        The portal.
    within
        Opens the transaction, such as ``ctx.fenced`` of a run.
    is_routine
        Whether it happens so often that it is in the history and the audit log only, without an
        alert and a notice.

    Raises
    ------
    Refused
        If a person asks, a person asked for the promotion, it did not pass, or the policy does not
        allow it.
    Conflict
        If the request is over, expired or void.
    Corrupt
        If the version's files are damaged; the request is then void.
    """
    with step(request_id, "apply_automatically", actor) as known:
        _check_allowed(known, actor)
        settle(known.pk)
        with transaction.atomic():
            standing(known.pk, State.OPEN)
        warm_candidate(known, State.OPEN)
        with within():
            request = standing(known.pk, State.OPEN)
            _check_allowed(request, actor)
            close(request, State.APPLIED, _("The gate passed and the policy asks nobody."))
            row = move(
                model=request.model,
                alias=Alias.CHAMPION,
                kind=AliasMove.Kind.AUTOMATIC,
                to=request.candidate,
                actor=actor,
                reason=request.reason,
                promotion=request,
            )
            if not is_routine:
                _tell(request, row)
            record(actor, "apply_automatically", request, request.reason, move=row.pk)
    return request


def _check_allowed(request: PromotionRequest, actor: Actor) -> None:
    if actor.is_person or not applies_itself(request):
        raise Refused(
            _(
                "This request is not applied by itself: that takes a request of the portal, a gate "
                "that passed, and “auto_apply” in the gate policy of “%(model)s”."
            )
            % {"model": request.model.name},
            code="not_automatic",
        )
    if request.state not in (State.OPEN, State.APPLIED):
        raise Conflict(
            _("The request is already in the state “%(state)s”; nothing is left to do.")
            % {"state": request.get_state_display()},
            code="request_over",
        )


def _tell(request: PromotionRequest, row: AliasMove) -> None:
    def said() -> str:
        return _("%(version)s went live by itself: its gate passed and the policy allows it.") % {
            "version": request.candidate
        }

    alerts.raise_alert(
        f"registry.automatic.{request.model.name}.{row.pk}",
        Alert.Severity.WARNING,
        said,
        page_of(request),
    )
    notices.send(
        kind="promotion.applied",
        subject=said(),
        body=request.reason,
        url=page_of(request),
        severity=Alert.Severity.WARNING,
        key=f"promotion.applied:{request.pk}",
    )
