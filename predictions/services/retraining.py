"""Retrain a model: snapshot, training, gate, request; each step at most once for a run.

Whatever a step leaves behind names the run (data set, version) or the version (verdict, request),
and is written under the run's fence. A run that starts again after its worker died looks for these
traces and goes on from there.
"""

from typing import Any, Protocol

from django.utils.translation import gettext as _

from portal.core import notices
from portal.core.actors import Actor
from portal.core.errors import Conflict, LeaseLost, PortalError, RunCancelled
from portal.core.models import Alert
from portal.registry import selectors
from portal.registry import services as registry
from portal.registry.models import (
    PORTAL_NAME,
    GateEvaluation,
    ModelVersion,
    PromotionRequest,
    RegisteredModel,
)
from portal.runs.context import RunContext
from portal.runs.models import Run
from predictions.models import Dataset
from predictions.services.quality_retraining import QualityWay
from predictions.services.retraining_outcomes import Outcome, Said
from predictions.services.retraining_wish import Wish
from predictions.services.routing.models import is_routing
from predictions.services.routing.retraining import RoutingWay

__all__ = ["Wish", "retrain"]

SNAPSHOT_UNTIL = 0.10
TRAINING_UNTIL = 0.92
LONGEST_REASON = 1_000


class Way(Protocol):
    """How the models of a family are retrained."""

    def model(self, name: str) -> RegisteredModel:
        """Return the model of that name; raise ``NotFound`` when there is none."""
        ...

    def snapshot(self, ctx: RunContext, model: RegisteredModel, wish: Wish) -> Dataset | Said:
        """Return the frozen data of this run, or why there is nothing to train on."""
        ...

    def params(self, ctx: RunContext, champion: ModelVersion | None) -> dict[str, Any]:
        """Return the training parameters of the champion, as far as they can be used."""
        ...

    def train(
        self, ctx: RunContext, model: RegisteredModel, dataset: Dataset, params: dict[str, Any]
    ) -> None:
        """Train one version, which names the run."""
        ...


def retrain(ctx: RunContext, wish: Wish) -> dict[str, Any]:
    """Do a retraining from wherever an earlier attempt left it.

    Returns
    -------
    dict
        ``outcome`` (see :class:`Outcome`) with its ``reason``, and what was made.

    Raises
    ------
    InvalidInput
        When the shots cannot be learnt from.
    NotFound
        When there is no such model.
    """
    way: Way = RoutingWay() if is_routing(wish.model_name) else QualityWay()
    model = way.model(wish.model_name)
    try:
        said = _said(ctx, way, model, wish)
    except (RunCancelled, LeaseLost):
        raise
    except PortalError as exc:
        if not exc.retryable:
            _tell(ctx, model, _("It failed: %(error)s") % {"error": exc}, Alert.Severity.WARNING)
        raise
    _tell(ctx, model, said.reason, said.severity)
    ctx.progress(1.0, _("done"), said.reason)
    return said.to_dict()


def _said(ctx: RunContext, way: Way, model: RegisteredModel, wish: Wish) -> Said:
    version = ModelVersion.objects.filter(run=ctx.run_id).first()
    if version is not None:
        ctx.log(_("%(version)s is trained already; going on.") % {"version": version})
        return _judged(ctx, model, version, wish)
    registry.expire_due()
    waiting = PromotionRequest.objects.filter(
        model=model, state__in=PromotionRequest.LIVE_STATES
    ).first()
    if waiting is not None:
        return Said(
            Outcome.SKIPPED,
            _("A request for %(version)s is waiting; decide it first, then retrain.")
            % {"version": waiting.candidate},
            "request_waiting",
        )
    dataset = way.snapshot(ctx.portion(0.0, SNAPSHOT_UNTIL), model, wish)
    if isinstance(dataset, Said):
        return dataset
    ctx.check()
    params = way.params(ctx, selectors.champion(model.name)) | dict(wish.params)
    way.train(ctx.portion(SNAPSHOT_UNTIL, TRAINING_UNTIL), model, dataset, params)
    return _judged(ctx, model, ModelVersion.objects.get(run=ctx.run_id), wish)


# --- Gate and request ---------------------------------------------------------------------------
def _judged(ctx: RunContext, model: RegisteredModel, version: ModelVersion, wish: Wish) -> Said:
    """Put the version through the gate and ask for it when it passed."""
    request = PromotionRequest.objects.filter(candidate=version).order_by("created_at").first()
    gate = request.gate if request is not None else None
    if gate is None:
        ctx.progress(
            TRAINING_UNTIL, _("gate"), _("Comparing %(v)s with the champion.") % {"v": version}
        )
        try:
            gate = registry.weigh(version)
            request = _proposed(ctx, version, gate, wish)
        except Conflict as exc:
            return Said(
                Outcome.NOT_ASKED,
                _("%(version)s is trained and was not asked for: %(error)s")
                % {"version": version, "error": exc},
                exc.specific_code,
                version=version,
            )
    if request is None:
        return _not_passed(version, gate)
    request.refresh_from_db()
    if request.state == PromotionRequest.State.OPEN and registry.applies_itself(request):
        request = registry.apply_automatically(
            request_id=request.pk, actor=_actor(ctx), within=ctx.fenced
        )
    is_applied = request.state == PromotionRequest.State.APPLIED
    sentence = (
        _("%(version)s passed its gate and went live by itself.")
        if is_applied
        else _("%(version)s passed its gate; a person must approve the request.")
    )
    return Said(
        Outcome.APPLIED if is_applied else Outcome.PROPOSED,
        sentence % {"version": version},
        version=version,
        gate=gate,
        request=request,
    )


def _proposed(
    ctx: RunContext, version: ModelVersion, gate: GateEvaluation, wish: Wish
) -> PromotionRequest | None:
    """Write the verdict, and with it the request of a version that passed."""
    reason = " ".join(wish.reason.split())[:LONGEST_REASON]
    reason = reason or _("Retrained on the latest data.")
    with ctx.fenced():
        if gate.pk is None:
            gate.save(force_insert=True)
        if gate.outcome != GateEvaluation.Outcome.PASSED:
            return None
        return registry.propose(gate=gate, reason=reason, actor=_actor(ctx))


def _not_passed(version: ModelVersion, gate: GateEvaluation) -> Said:
    is_failed = gate.outcome == GateEvaluation.Outcome.FAILED
    sentence = (
        _("%(version)s failed its gate: %(why)s")
        if is_failed
        else _("%(version)s is not surely better: %(why)s")
    )
    return Said(
        Outcome.FAILED if is_failed else Outcome.INCONCLUSIVE,
        sentence % {"version": version, "why": " ".join(registry.sentences(gate))},
        version=version,
        gate=gate,
    )


def _actor(ctx: RunContext) -> Actor:
    is_own = ctx.started_via in (Run.Via.SCHEDULE, Run.Via.DRIFT)
    return Actor.system(PORTAL_NAME, via=ctx.started_via if is_own else Run.Via.SYSTEM.value)


def _tell(ctx: RunContext, model: RegisteredModel, reason: str, severity: str) -> None:
    """Tell of the end of a retraining, once."""
    with ctx.fenced():
        notices.send(
            kind="retraining.finished",
            subject=_("Retraining of %(model)s: %(reason)s")
            % {"model": model.name, "reason": reason},
            body=reason,
            url=f"/admin/runs/run/{ctx.run_id}/change/",
            severity=severity,
            key=f"retraining.finished:{ctx.run_id}",
        )
