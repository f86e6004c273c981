"""How models are watched, and changes of it."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from monitoring.engine.schedule import N_STEPS
from monitoring.models import DriftPolicy
from monitoring.services.drift import cursor
from portal.core import audit
from portal.core.actors import Actor
from portal.core.errors import FieldProblem, InvalidInput
from portal.registry.models import RegisteredModel

FIELDS = (
    "window",
    "false_alarms_per_month",
    "score_detector",
    "column_detector",
    "slicings",
    "labelled_window",
    "cooldown_days",
    "retrains_on_loss",
)


def policy_of(model: RegisteredModel) -> DriftPolicy:
    """Return how a model is watched, the defaults when nobody said otherwise."""
    found = DriftPolicy.objects.filter(model=model).first()
    return found or DriftPolicy(model=model)


def change(*, model: RegisteredModel, values: Mapping[str, Any], actor: Actor) -> DriftPolicy:
    """Change how a model is watched.

    Another window or detector is another watch: its windows are learnt anew when the next
    prediction comes.

    Raises
    ------
    Refused
        When the actor may not change policies.
    InvalidInput
        When a value breaks a rule; nothing was changed then.
    """
    with audit.refusals(actor, "drift.policy", model):
        actor.require("monitoring.change_driftpolicy")
        with cursor.alone():
            policy = policy_of(model)
            before = {name: getattr(policy, name) for name in values}
            for name, value in values.items():
                setattr(policy, name, value)
            _check(policy)
            policy.save()
            changed = {
                name: [before[name], value]
                for name, value in values.items()
                if before[name] != value
            }
            audit.record(actor, "drift.policy", model, detail=changed)
    return policy


def _check(policy: DriftPolicy) -> None:
    problems: list[FieldProblem] = []
    try:
        policy.clean_fields(exclude=["id", "model"])
    except ValidationError as exc:
        for name, messages in exc.message_dict.items():
            problems.extend(FieldProblem(name, "invalid", text) for text in messages)
    if not problems and policy.window % N_STEPS:
        message = _("A window of %(seen)d is no multiple of %(steps)d: use %(near)d.") % {
            "seen": policy.window,
            "steps": N_STEPS,
            "near": max(N_STEPS, round(policy.window / N_STEPS) * N_STEPS),
        }
        problems.append(FieldProblem("window", "invalid", message))
    if problems:
        raise InvalidInput(
            _("The drift policy was not changed; the errors name each value."), problems=problems
        )
