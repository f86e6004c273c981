"""The protocols a training is judged by, each with its folds."""

from dataclasses import dataclass

from predictions.engine.basis import Basis, NotTrainable
from predictions.engine.crossfit import FoldPlan, Shots, plan
from predictions.engine.problems import Problem
from predictions.engine.splits import PROTOCOLS, Protocol, TooFewParts


@dataclass(frozen=True, eq=False)
class Trial:
    """A protocol with the shots it is run on and its folds."""

    protocol: Protocol
    shots: Shots
    plans: tuple[FoldPlan, ...]

    @property
    def work(self) -> int:
        """Rows fitted on, over all folds."""
        return sum(fold_plan.work for fold_plan in self.plans)


def main_trial(basis: Basis) -> Trial:
    """Return the protocol that counts.

    Raises
    ------
    NotTrainable
        If it needs several products or molds and there is one.
    """
    chosen = PROTOCOLS[basis.params.protocol]
    try:
        return Trial(chosen, basis.shots, plan(basis.shots, chosen, basis.params, basis.seed))
    except TooFewParts as exc:
        raise NotTrainable([Problem("protocol", "too_few_parts", None, _by(chosen))]) from exc


def other_trials(basis: Basis) -> tuple[tuple[Trial, ...], tuple[Problem, ...]]:
    """Return the protocols shown beside, and why others cannot be run.

    Leaking ones keep copies and run one fold.
    """
    params, seed = basis.params, basis.seed
    others, unplanned = [], []
    for protocol in PROTOCOLS.values():
        if not params.compare or protocol.name == params.protocol:
            continue
        shots = basis.every if protocol.leaks else basis.shots
        try:
            plans = plan(shots, protocol, params, seed, first_only=protocol.leaks)
        except TooFewParts:
            unplanned.append(Problem("protocol", "too_few_parts", None, _by(protocol)))
            continue
        others.append(Trial(protocol, shots, plans))
    return tuple(others), tuple(unplanned)


def _by(protocol: Protocol) -> dict[str, object]:
    return {"value": protocol.name, "part": protocol.by}
