"""A study as the engine reads it: its plan, its space and what it has done."""

from collections.abc import Sequence

from tuning.engine import procedure, sampling, searching
from tuning.engine.contract import Target
from tuning.engine.options import Option
from tuning.engine.procedure import Done, Plan
from tuning.engine.searching import Budget, Goal
from tuning.models import Study, Trial

_OVER = (
    Trial.State.COMPLETE,
    Trial.State.FAILED,
    Trial.State.LOST,
    Trial.State.PRUNED,
    Trial.State.DISTURBED,
)


def plan(study: Study, target: Target) -> Plan:
    """Return what was asked of a study."""
    budget = study.budget
    return Plan(
        Goal.from_dict(study.objective, target),
        Budget(budget["seconds"], budget["trial_seconds"], budget["n_trials"], budget["n_pairs"]),
        study.current,
        study.seed,
    )


def space(study: Study, target: Target) -> tuple[Option, ...]:
    """Return the options that a study may change."""
    return sampling.searchable(searching.narrowed(target.options(), study.space))


def done(study: Study) -> list[Done]:
    """Return the trials that are over, in order."""
    return [
        Done(
            trial.role,  # type: ignore[arg-type]  # one of the choices
            trial.configuration,
            trial.state,  # type: ignore[arg-type]  # as above
            trial.values,
            trial.pair,
            trial.seconds,
        )
        for trial in study.trials.filter(state__in=_OVER)
    ]


def n_disturbed(so_far: Sequence[Done], trial: Trial) -> int:
    """Return how often this very trial was disturbed just before."""
    count = 0
    for one in reversed(so_far):
        if one.state != "disturbed" or one.configuration != trial.configuration:
            break
        count += 1
    return count


def is_always_busy(trial: Trial) -> bool:
    """Whether the trials before were all disturbed, so that another try would be no better."""
    before = trial.study.trials.filter(number__lt=trial.number, facts__has_key="is_disturbed")
    last = before.order_by("-number").values_list("facts__is_disturbed", flat=True)
    return list(last[: procedure.MAX_TRIES]) == [True] * procedure.MAX_TRIES


def findings(study: Study, target: Target) -> dict[str, object]:
    """Return what the search showed: which option matters, and the trials no other beats."""
    asked = plan(study, target)
    reference = procedure.current_values(done(study))
    if reference is None:
        return {}
    measured = list(study.trials.filter(role=Trial.Role.SEARCH, state=Trial.State.COMPLETE))
    gains = [asked.goal.gains(trial.values, reference) for trial in measured]
    scored = [(trial.configuration, trial.score) for trial in measured if trial.score is not None]
    return {
        "current": reference,
        "importance": sampling.importance(space(study, target), scored, study.seed),
        "pareto": [measured[place].number for place in sampling.front(gains)],
    }
