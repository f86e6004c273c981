"""Putting an index live: the first by itself, a rebuild past its gate, all else by people."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext as _

from portal.core.actors import Actor
from portal.core.errors import Conflict
from portal.registry import selectors
from portal.registry import services as registry
from portal.registry.models import (
    PORTAL_NAME,
    Alias,
    AliasMove,
    GateEvaluation,
    ModelVersion,
    PromotionRequest,
    RegisteredModel,
)
from portal.runs.context import RunContext
from search.models import Collection
from search.services.family import FAMILY_NAME

#: A rebuild need not be better than what it replaces. The loss is ours: one query in thirty.
GATE_POLICY: Mapping[str, Any] = {
    "primary": "ndcg_at_10",
    "guards": ["recall_at_100", "reciprocal_rank"],
    "block_rows": 1,
    "max_loss": 0.03,
    "min_groups": 5,
    "min_slice_groups": 10,
    "auto_apply": True,
}
ACTOR = Actor.system(PORTAL_NAME)


class Outcome(StrEnum):
    """What became of an index that was built.

    Attributes
    ----------
    SKIPPED
        There was nothing to build.
    STARTED
        It is the first of its collection and live.
    APPLIED
        It passed its gate and went live.
    PROPOSED
        It passed; a request waits for a person, because somebody stepped in before or the policy
        says so.
    OTHER_CONFIGURATION
        It is built in another way than the live one; a person asks for its promotion.
    FAILED, INCONCLUSIVE
        Of the gate; the old index stays live.
    NOT_ASKED
        Something else happened meanwhile.
    """

    SKIPPED = "skipped"
    STARTED = "started"
    APPLIED = "applied"
    PROPOSED = "proposed"
    OTHER_CONFIGURATION = "other_configuration"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    NOT_ASKED = "not_asked"


@dataclass(frozen=True)
class Said:
    """An outcome and why."""

    outcome: Outcome
    reason: str


def registered(collection: Collection) -> RegisteredModel:
    """Return the registered model of a collection's indexes, made now if there was none."""
    return registry.ensure_model(
        name=collection.model_name,
        family=FAMILY_NAME,
        title=_("Search: %(title)s") % {"title": collection.title},
        description=_("Search index of the collection “%(name)s”.") % {"name": collection.name},
        gate_policy=GATE_POLICY,
        starts_itself=True,
    )


def publish(ctx: RunContext, version: ModelVersion) -> Said:
    """Put a version live if it may go live without a person; else say what it waits for."""
    model = version.model
    if selectors.last_move_id(model.name, Alias.CHAMPION) is None:
        registry.bootstrap_champion(
            version=version, reason=_("First index of the collection."), actor=ACTOR
        )
        return Said(
            Outcome.STARTED, _("%(version)s is live, the first one.") % {"version": version}
        )
    champion = selectors.champion(model.name)
    if champion == version:
        return Said(Outcome.APPLIED, _("%(version)s is live.") % {"version": version})
    if champion is None or not is_same_way(version, champion):
        return Said(
            Outcome.OTHER_CONFIGURATION,
            _(
                "%(version)s is built in another way than the live index: compare both and ask for "
                "its promotion."
            )
            % {"version": version},
        )
    try:
        return _judged(ctx, version)
    except Conflict as exc:
        return Said(
            Outcome.NOT_ASKED,
            _("%(version)s is built and was not asked for: %(error)s")
            % {"version": version, "error": exc},
        )


def is_same_way(one: ModelVersion, other: ModelVersion) -> bool:
    """Whether two versions were built with the same options."""
    return bool(one.settings.get("configuration") == other.settings.get("configuration"))


def _judged(ctx: RunContext, version: ModelVersion) -> Said:
    request = PromotionRequest.objects.filter(candidate=version).order_by("created_at").first()
    if request is None:
        gate = registry.weigh(version)
        with ctx.fenced():
            if gate.pk is None:
                gate.save(force_insert=True)
            if gate.outcome != GateEvaluation.Outcome.PASSED:
                return _not_passed(version, gate)
            reason = _("Rebuilt from the documents of now.")
            request = registry.propose(gate=gate, reason=reason, actor=ACTOR)
    is_open = request.state == PromotionRequest.State.OPEN
    if is_open and registry.applies_itself(request) and not _was_overruled(version.model):
        request = registry.apply_automatically(
            request_id=request.pk, actor=ACTOR, within=ctx.fenced, is_routine=True
        )
    if request.state == PromotionRequest.State.APPLIED:
        return Said(
            Outcome.APPLIED,
            _("%(version)s passed its gate and is live.") % {"version": version},
        )
    return Said(
        Outcome.PROPOSED,
        _("%(version)s passed its gate; a person must approve the request.") % {"version": version},
    )


def _was_overruled(model: RegisteredModel) -> bool:
    """Whether somebody stepped in last: what they put back is not replaced by a routine."""
    last = AliasMove.objects.filter(model=model, alias=Alias.CHAMPION).order_by("-pk").first()
    stepped_in = (AliasMove.Kind.ROLLBACK, AliasMove.Kind.BREAK_GLASS)
    return last is not None and last.kind in stepped_in


def _not_passed(version: ModelVersion, gate: GateEvaluation) -> Said:
    is_failed = gate.outcome == GateEvaluation.Outcome.FAILED
    sentence = (
        _("%(version)s failed its gate: %(why)s")
        if is_failed
        else _("%(version)s is not surely as good as the live index: %(why)s")
    )
    return Said(
        Outcome.FAILED if is_failed else Outcome.INCONCLUSIVE,
        sentence % {"version": version, "why": " ".join(registry.sentences(gate))},
    )
