"""Asking for a promotion: the gate, the frozen evidence, one live request per model."""

from uuid import uuid4

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from portal.core import audit, notices
from portal.core.actors import Actor
from portal.core.errors import Conflict
from portal.lib import clock
from portal.registry import selectors
from portal.registry.engine import canonical
from portal.registry.models import (
    GateEvaluation,
    ModelVersion,
    PromotionRequest,
    RegisteredModel,
)
from portal.registry.services import evidence, gates
from portal.registry.services.aliases import lock
from portal.registry.services.ground import page_of, settle, target_of
from portal.registry.services.manifests import verify
from portal.registry.services.reasons import checked_reason
from portal.registry.services.versions import check_policy


def request_promotion(*, version: ModelVersion, reason: str, actor: Actor) -> PromotionRequest:
    """Ask for a version to become champion: judge it, freeze the evidence, open the request.

    Raises
    ------
    Refused
        If the actor may not ask.
    InvalidInput
        Without a reason.
    Conflict
        If the version is not promotable or live already, its gate failed, or a request is live
        already.
    Corrupt
        If a file is damaged.
    """
    with audit.refusals(actor, "promotion.request", version):
        actor.require("registry.request_promotion")
        reason = checked_reason(reason)
        champion = selectors.champion(version.model.name)
        settle_live(version)
        check_requestable(version, champion)
        verify(version)
        gate = gates.evaluate(candidate=version, champion=champion)
        _check_gate(gate)
        with transaction.atomic(durable=True):
            return open_request(version, champion, gate, reason, actor)


def settle_live(version: ModelVersion) -> None:
    """Clear away a request that is live by its row only: expired or void."""
    for pk in _live(version).values_list("pk", flat=True):
        settle(pk)


def _live(version: ModelVersion) -> QuerySet[PromotionRequest]:
    return PromotionRequest.objects.filter(
        model=version.model, state__in=PromotionRequest.LIVE_STATES
    )


def check_requestable(version: ModelVersion, champion: ModelVersion | None) -> None:
    """Raise :class:`Conflict` when a version cannot go live, is live, or another one waits."""
    version.refresh_from_db(fields=["state", "state_reason"])
    if RegisteredModel.objects.filter(pk=version.model_id, retired_at__isnull=False).exists():
        raise Conflict(
            _("“%(model)s” is retired: nothing of it goes live any more.")
            % {"model": version.model.name},
            code="model_retired",
        )
    if version.state != ModelVersion.State.READY:
        raise Conflict(
            _("%(version)s is %(state)s and cannot go live: %(reason)s.")
            % {
                "version": version,
                "state": version.get_state_display(),
                "reason": version.state_reason or "-",
            },
            code=f"version_{version.state}",
        )
    if version == champion:
        raise Conflict(
            _("%(version)s is the champion already; nothing to promote.") % {"version": version},
            code="already_champion",
        )
    live = _live(version).first()
    if live is not None:
        raise _one_live(live)


def _one_live(live: PromotionRequest) -> Conflict:
    return Conflict(
        _(
            "A request for %(version)s is waiting already, and a model has one at a time: decide "
            "or withdraw it first."
        )
        % {"version": live.candidate},
        code="request_waiting",
    )


def _check_gate(gate: GateEvaluation) -> None:
    if gate.outcome == GateEvaluation.Outcome.FAILED:
        raise Conflict(
            _("%(version)s failed its gate and is not put to an approver: %(reasons)s")
            % {"version": gate.candidate, "reasons": " ".join(gates.sentences(gate))},
            code="gate_failed",
        )


def open_request(
    version: ModelVersion,
    champion: ModelVersion | None,
    gate: GateEvaluation,
    reason: str,
    actor: Actor,
) -> PromotionRequest:
    """Freeze the evidence and open the request; in a transaction, after the gate.

    Raises
    ------
    Conflict
        If the policy, the champion or the version changed meanwhile, or another request came first.
    """
    model = lock(version.model)
    if check_policy(model.gate_policy).to_dict() != gate.report["policy"]:
        raise Conflict(
            _("The gate policy changed while the version was judged; ask again."), code="raced"
        )
    if selectors.champion(version.model.name) != champion:
        raise Conflict(
            _("The champion changed while the version was judged; ask again."), code="raced"
        )
    check_requestable(version, champion)
    moment = clock.now()
    request = PromotionRequest(
        id=uuid4(),
        model=model,
        candidate=version,
        champion=champion,
        gate=gate,
        requested_by_id=actor.user_id,
        requested_via=actor.via,
        reason=reason,
        created_at=moment,
        expires_at=moment + settings.PROMOTION_TTL,
    )
    request.evidence = evidence.build(request)
    request.digest = canonical.digest(request.evidence)
    try:
        with transaction.atomic():
            request.save(force_insert=True)
    except IntegrityError as exc:
        raise Conflict(
            _("Another request for this model was opened a moment ago; look again."),
            code="request_waiting",
        ) from exc
    _tell(request)
    audit.record(
        actor,
        "promotion.request",
        target_of(request),
        reason=reason,
        detail={"digest": request.digest, "gate": gate.outcome},
    )
    return request


def _tell(request: PromotionRequest) -> None:
    subject = _("%(name)s asks to put %(version)s live.") % {
        "name": request.requester,
        "version": request.candidate,
    }
    notices.send(
        kind="promotion.requested",
        subject=subject,
        body=request.reason,
        url=page_of(request),
        key=f"promotion.requested:{request.pk}",
    )
