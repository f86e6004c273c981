"""Asking for a study, letting it rest, going on."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from portal.core.actors import Actor
from portal.core.errors import Conflict
from portal.runs.models import Run
from tuning.engine import searching
from tuning.engine.problems import TuningError
from tuning.models import Study
from tuning.services import asking, promoting, targets


@transaction.atomic
def create(
    *,
    target: str,
    actor: Actor,
    workload: str = "",
    objective: Mapping[str, Any] | str | None = None,
    budget: Mapping[str, Any] | str | float | None = None,
    space: Mapping[str, Any] | None = None,
    current: Mapping[str, Any] | None = None,
    name: str = "",
    seed: int = 0,
    warm_from: Study | None = None,
) -> Study:
    """Write a study; whoever calls starts its run.

    Parameters
    ----------
    target
        A name of :func:`tuning.services.targets.names`.
    workload
        One of the target's; empty for its first.
    objective
        ``weights`` of the four factors, ``metrics`` that speak for them, ``guards``, and ``mode``
        (``weighted``, ``pareto``); or the name of one factor.
    budget
        ``10m``, seconds, or ``seconds`` with ``trials``, ``pairs``, ``trial_seconds``, ``sampler``
        and ``pruner``.
    space
        Options that may change with narrower bounds; empty for all.
    current
        Options in use; without any, those live by promotion, else the target's defaults.
    warm_from
        An earlier study of the same target whose best trials are measured first.

    Raises
    ------
    InvalidInput
        Naming the field, the value and the rule.
    """
    found = targets.get(target)
    load = asking.workload(found, workload)
    goal = asking.goal(found, objective)
    plan = asking.budget(budget)
    try:
        searching.narrowed(found.options(), asking.space(space))
        in_use = found.check(dict(current or promoting.in_use(target, load)))
    except TuningError as exc:
        raise targets.refused(exc) from exc
    if warm_from is not None and warm_from.target != target:
        raise asking.problem(
            "warm_from",
            "other_target",
            _("“%(name)s” is a study of %(seen)s, not of %(target)s: name one of the same target.")
            % {"name": warm_from, "seen": warm_from.target, "target": target},
        )
    return Study.objects.create(
        name=(name or f"{target}, {load}")[:120],
        target=target,
        workload=load,
        objective=goal.to_dict(),
        budget=plan,
        space=dict(space or {}),
        current=in_use,
        seed=seed,
        warm_from=warm_from,
        created_by_id=actor.user_id,
    )


def pause(*, study: Study) -> Study:
    """Ask a study to rest after the trial in hand.

    Raises
    ------
    Conflict
        If it is not at work.
    """
    if not is_active(study):
        raise Conflict(
            _("“%(name)s” is not at work, so there is nothing to pause.") % {"name": study},
            code="not_running",
        )
    Study.objects.filter(pk=study.pk).update(is_paused=True)
    study.is_paused = True
    return study


def ready_to_resume(*, study: Study) -> None:
    """Make a study ready for another run.

    Raises
    ------
    Conflict
        If it is at work or done.
    """
    if is_active(study):
        raise Conflict(
            _("“%(name)s” is at work: wait for it or cancel it.") % {"name": study},
            code="running",
        )
    if study.phase == Study.Phase.DONE:
        raise Conflict(
            _("“%(name)s” is done; start another study, from this one if you like.")
            % {"name": study},
            code="done",
        )
    Study.objects.filter(pk=study.pk).update(is_paused=False)


def is_active(study: Study) -> bool:
    """Whether a run works or waits for the study."""
    run = Run.objects.filter(pk=str(study.run_id)).first() if study.run_id else None
    return run is not None and not run.is_terminal
