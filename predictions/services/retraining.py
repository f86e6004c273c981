"""Retrain a model: snapshot, training, gate, request; each step at most once for a run.

Whatever a step leaves behind names the run (data set, version) or the version (verdict, request),
and is written under the run's fence. A run that starts again after its worker died looks for these
traces and goes on from there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from portal.core import notices
from portal.core.actors import Actor
from portal.core.errors import Conflict, InvalidInput, LeaseLost, PortalError, RunCancelled
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
from predictions.engine.parameters import TrainingParams
from predictions.engine.problems import EngineError
from predictions.models import Dataset
from predictions.services import snapshots, training
from predictions.services.models import MODEL_NAME, quality_model
from predictions.services.retraining_outcomes import Outcome, Said

SNAPSHOT_UNTIL = 0.10
TRAINING_UNTIL = 0.92
LONGEST_REASON = 1_000


_JSON_NAMES: Mapping[type, str] = {
    str: "string",
    int: "integer",
    bool: "boolean",
    dict: "object",
}
_KINDS: Mapping[str, type] = {
    "model": str,
    "reason": str,
    "params": dict,
    "max_rows": int,
    "min_new": int,
    "force": bool,
    "evidence": dict,
}


@dataclass(frozen=True)
class Wish:
    """What a retraining was asked for.

    Attributes
    ----------
    model_name
        Which model.
    reason
        Why, in the asker's words.
    params
        Training parameters; those absent are the champion's.
    max_rows
        The latest so many labelled shots are learnt.
    min_new
        With fewer new ones nothing is trained; None for the setting.
    force
        Train although nothing, or too little, is new.
    evidence
        What a monitor saw, for the record.
    """

    model_name: str
    reason: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    max_rows: int = snapshots.MAX_ROWS
    min_new: int | None = None
    force: bool = False
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> "Wish":
        """Return what the parameters of a run, or of a schedule, ask for.

        Raises
        ------
        InvalidInput
            For a parameter that is unknown or of the wrong type.
        """
        strange = sorted(set(parameters) - set(_KINDS))
        if strange:
            raise InvalidInput(
                _("There is no parameter “%(seen)s”; a retraining takes %(known)s.")
                % {"seen": strange[0], "known": ", ".join(_KINDS)}
            )
        given = dict(parameters)
        for name, kind in _KINDS.items():
            value = given.get(name)
            if value is not None and type(value) is not kind:
                raise InvalidInput(
                    _("%(name)s is “%(seen)s”; it must be of the type %(kind)s.")
                    % {"name": name, "seen": str(value)[:80], "kind": _JSON_NAMES[kind]}
                )
        most = snapshots.MAX_ROWS
        if not 1 <= given.get("max_rows", most) <= most:
            raise InvalidInput(
                _("max_rows is %(seen)d; it must lie from 1 to %(most)d.")
                % {"seen": given["max_rows"], "most": most}
            )
        return cls(model_name=given.pop("model", MODEL_NAME), **given)


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
    model = quality_model(wish.model_name)
    try:
        said = _said(ctx, model, wish)
    except (RunCancelled, LeaseLost):
        raise
    except PortalError as exc:
        if not exc.retryable:
            _tell(ctx, model, _("It failed: %(error)s") % {"error": exc}, Alert.Severity.WARNING)
        raise
    _tell(ctx, model, said.reason, said.severity)
    ctx.progress(1.0, _("done"), said.reason)
    return said.to_dict()


def _said(ctx: RunContext, model: RegisteredModel, wish: Wish) -> Said:
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
    dataset = _snapshot(ctx.portion(0.0, SNAPSHOT_UNTIL), model, wish)
    if isinstance(dataset, Said):
        return dataset
    ctx.check()
    training.train(
        ctx.portion(SNAPSHOT_UNTIL, TRAINING_UNTIL),
        model_name=model.name,
        dataset_id=dataset.pk,
        params=_params(ctx, model, wish),
        is_forward=True,
    )
    return _judged(ctx, model, ModelVersion.objects.get(run=ctx.run_id), wish)


# --- Snapshot -----------------------------------------------------------------------------------
def _snapshot(ctx: RunContext, model: RegisteredModel, wish: Wish) -> Dataset | Said:
    """Return the frozen shots, or why there is nothing to train on."""
    taken = snapshots.taken_by(ctx)
    if taken is not None:
        ctx.log(_("The shots are frozen already as data set %(id)d.") % {"id": taken.pk})
        return taken
    gathered = snapshots.gather(ctx, model, wish.max_rows)
    if gathered is None:
        return Said(
            Outcome.SKIPPED,
            _("There are no labelled shots: import some, or report what became of predictions."),
            "nothing_labelled",
        )
    ctx.log(
        _("%(rows)d labelled shots from %(sources)d sources.")
        % {"rows": gathered.table.n_rows, "sources": len(gathered.sources)},
        sources=gathered.sources,
    )
    refused = None if wish.force else _nothing_new(gathered, model, wish)
    return refused or snapshots.keep(ctx, gathered, model, wish.reason)


def _nothing_new(gathered: snapshots.Gathered, model: RegisteredModel, wish: Wish) -> Said | None:
    newest = model.versions.order_by("-number").first()
    if newest is None:
        return None
    if model.versions.filter(dataset_fingerprint=gathered.fingerprint).exists():
        return Said(
            Outcome.SKIPPED,
            _("Nothing is new since the last training; there is nothing to learn."),
            "unchanged",
        )
    before = Dataset.objects.filter(fingerprint=newest.dataset_fingerprint, copy_of=None).first()
    needed = settings.RETRAIN_MIN_NEW if wish.min_new is None else wish.min_new
    n_new = snapshots.n_new(gathered.table, before) if before is not None else needed
    if n_new >= needed:
        return None
    return Said(
        Outcome.SKIPPED,
        _("Only %(new)d labelled shots are new since %(version)s; %(needed)d are asked for.")
        % {"new": n_new, "version": newest, "needed": needed},
        "too_little_new",
    )


# --- Training -----------------------------------------------------------------------------------
def _params(ctx: RunContext, model: RegisteredModel, wish: Wish) -> dict[str, Any]:
    """Return the champion's training parameters with those wished for in their place."""
    champion = selectors.champion(model.name)
    given = dict(champion.evaluation.get("params", {})) if champion is not None else {}
    try:
        known = TrainingParams.from_dict(given).to_dict()
    except EngineError:
        ctx.log(_("The champion's training parameters are of another release; using the defaults."))
        known = {}
    return known | dict(wish.params)


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
    reason = reason or _("Retrained on the latest shots.")
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
