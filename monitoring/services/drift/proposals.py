"""Proposals to train anew, and what becomes of them.

The watch proposes, a person decides. Only a loss that labels confirm may start a training by
itself, where the policy allows it.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from monitoring.models import DriftEvent, RetrainingProposal
from monitoring.selectors import drift as selectors
from monitoring.services.drift import policies
from portal.core import alerts, audit
from portal.core.actors import Actor
from portal.core.errors import Conflict, InvalidInput
from portal.core.formats import DASH
from portal.core.models import Alert
from portal.lib import clock
from portal.registry.models import RegisteredModel
from portal.registry.selectors import champion
from portal.runs.models import Run
from predictions import dispatch as predictions

State = RetrainingProposal.State
LONGEST_NOTE = 2_000
#: Events named in the evidence.
MOST_NAMED = 20


def consider(*, model: RegisteredModel, at: datetime) -> RetrainingProposal | None:
    """Propose a training when there is reason to, and none was proposed within the cooldown."""
    version = champion(model.name)
    reason = selectors.reason_to_retrain(model, at)
    if version is None or not reason:
        return None
    cooldown = timedelta(days=policies.policy_of(model).cooldown_days)
    proposals = RetrainingProposal.objects.filter(model=model)
    if proposals.filter(made_at__gt=at - cooldown).exists():
        return None
    if proposals.filter(state=State.OPEN).exists():
        return None
    try:
        with transaction.atomic():
            proposal = RetrainingProposal.objects.create(
                model=model,
                version=version,
                reason=_said(reason),
                is_confirmed=reason.is_confirmed,
                evidence=_evidence(model, at),
                made_at=at,
            )
    except IntegrityError:
        return None
    alerts.raise_alert(
        alert_key(proposal),
        Alert.Severity.WARNING,
        lambda: _alert(proposal),
        address(proposal),
    )
    return proposal


def consider_confirmed(
    *, model: RegisteredModel, at: datetime, event: DriftEvent
) -> RetrainingProposal | None:
    """Propose a training because labels confirm a loss, and start it where the policy says so.

    A proposal that waits already becomes a confirmed one.
    """
    waiting = RetrainingProposal.objects.filter(model=model, state=State.OPEN)
    proposal = waiting.first() or consider(model=model, at=at)
    if proposal is None:
        return None
    if not proposal.is_confirmed:
        proposal.is_confirmed = True
        proposal.reason = _said(selectors.reason_to_retrain(model, at))
        proposal.evidence = _evidence(model, at)
        proposal.save(update_fields=["is_confirmed", "reason", "evidence"])
    if not policies.policy_of(model).retrains_on_loss:
        return proposal
    run = predictions.retrain_on_drift(
        model.name, proposal.reason, evidence=proposal.evidence, event=f"drift event {event.pk}"
    )
    if run is not None:
        _settle(proposal, State.STARTED, by="monitoring", note="", run=run)
    return proposal


def accept(*, proposal: RetrainingProposal, note: str, actor: Actor) -> Run:
    """Start the training that is proposed.

    Raises
    ------
    Refused
        When the actor may not decide on proposals.
    Conflict
        When it was decided already.
    """
    with audit.refusals(actor, "retraining.accept", proposal), transaction.atomic():
        actor.require("monitoring.settle_retraining")
        _hold(proposal)
        run = predictions.retrain(
            actor=actor,
            model_name=proposal.model.name,
            reason=" ".join(filter(None, (proposal.reason, _checked(note)))),
            evidence=proposal.evidence,
            via_detail=f"retraining proposal {proposal.pk}",
        )
        _settle(proposal, State.STARTED, by=actor.name, note=note, run=run)
        audit.record(actor, "retraining.accept", proposal, reason=note, detail={"run": str(run.pk)})
    return run


def dismiss(*, proposal: RetrainingProposal, note: str, actor: Actor) -> RetrainingProposal:
    """Decide that no training is needed; the next one is not proposed before the cooldown ends.

    Raises
    ------
    Refused
        When the actor may not decide on proposals.
    InvalidInput
        Without a reason.
    Conflict
        When it was decided already.
    """
    with audit.refusals(actor, "retraining.dismiss", proposal), transaction.atomic():
        actor.require("monitoring.settle_retraining")
        if not _checked(note):
            raise InvalidInput(_("Say why no training is needed."), code="reason_missing")
        _hold(proposal)
        _settle(proposal, State.DISMISSED, by=actor.name, note=note)
        audit.record(actor, "retraining.dismiss", proposal, reason=note)
    return proposal


def _hold(proposal: RetrainingProposal) -> None:
    row = RetrainingProposal.objects.select_for_update().get(pk=proposal.pk)
    if row.state != State.OPEN:
        raise Conflict(
            _("This proposal was decided by %(name)s already.") % {"name": row.settled_by or DASH},
            code="proposal_settled",
        )


def _settle(
    proposal: RetrainingProposal, state: str, *, by: str, note: str, run: Run | None = None
) -> None:
    proposal.state, proposal.settled_by, proposal.note = state, by, note.strip()
    proposal.settled_at, proposal.run = clock.now(), run
    proposal.save(update_fields=["state", "settled_by", "note", "settled_at", "run"])
    alerts.resolve_alert(alert_key(proposal))


def _checked(note: str) -> str:
    note = note.strip()
    if len(note) > LONGEST_NOTE:
        raise InvalidInput(
            _("The reason has %(seen)d characters; %(most)d are the most.")
            % {"seen": len(note), "most": LONGEST_NOTE},
            code="reason_too_long",
        )
    return note


def alert_key(proposal: RetrainingProposal) -> str:
    """Return the key of a proposal's alert."""
    return f"monitoring.retraining.{proposal.model_id}"


def address(proposal: RetrainingProposal) -> str:
    """Return where a person finds a proposal."""
    return f"/admin/monitoring/retrainingproposal/{proposal.pk}/change/"


def _alert(proposal: RetrainingProposal) -> str:
    return _("Training %(model)s anew is proposed: %(reason)s Decide on the proposal's page.") % {
        "model": proposal.model.name,
        "reason": proposal.reason,
    }


def _said(reason: selectors.Reason) -> str:
    if reason.is_confirmed:
        return _("Labels confirm that the champion errs more than when it was judged.")
    if reason.n_severe:
        return _("The scores moved beyond their threshold.")
    return _("There were %(count)d drift events in seven days.") % {"count": reason.n_events}


def _evidence(model: RegisteredModel, at: datetime) -> dict[str, Any]:
    since = at - timedelta(days=selectors.RETRAIN_DAYS)
    events = selectors.events_of(model, since, at)[:MOST_NAMED]
    return {
        "events": [
            {
                "id": event.pk,
                "version": event.window.version.number,
                "slice": event.window.slice,
                "signal": event.signal,
                "level": event.level,
                "scale": event.scale,
                "ratio": round(event.ratio, 3),
                "opened_at": event.opened_at.isoformat(),
            }
            for event in events
        ]
    }
