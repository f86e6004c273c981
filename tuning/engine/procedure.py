"""What a study does next, told from what it has done: it can die anywhere and go on.

Options in use first, then the search, then the best few once more (a winner of many noisy trials is
in part a winner by luck), then the proof of the best of them against what is in use.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tuning.engine import proof
from tuning.engine.options import Value
from tuning.engine.proof import Interval, Proof
from tuning.engine.searching import Budget, Goal

Role = Literal["baseline", "search", "finalist", "proof_current", "proof_candidate"]
State = Literal["complete", "failed", "lost", "pruned", "disturbed"]

#: Ours: what is in use is measured twice before anything is compared with it.
N_BASELINES = 2
N_FINALISTS, FEWEST_FINALISTS = 3, 2
N_FINALIST_TRIALS = 2
#: A budget of fewer trials than this is not spent on a third finalist; ours.
_MANY_TRIALS = 60
#: How often a trial that was lost or disturbed is measured again.
MAX_TRIES = 3
#: Share of the budget that is for baselines, search and finalists, at most and at least.
SEARCH_SHARE, LEAST_SEARCH_SHARE = 0.6, 0.4
#: A proof has so many pairs before it may end, also where they take longer than the budget.
LEAST_PAIRS = 6
#: Share of the budget that no trial counts: the start, rows, files, the sampler; ours.
BESIDE_SHARE = 0.05

Configuration = Mapping[str, Value]


@dataclass(frozen=True)
class Done:
    """A trial that is over.

    Attributes
    ----------
    values : mapping
        Empty where nothing was measured.
    pair : int or None
        Of the proof.
    seconds : float
        What it took.
    """

    role: Role
    configuration: Configuration
    state: State
    values: Mapping[str, float]
    pair: int | None = None
    seconds: float = 0.0

    @property
    def has_values(self) -> bool:
        """Whether it counts as measured."""
        return self.state == "complete"


@dataclass(frozen=True)
class Plan:
    """What was asked of a study."""

    goal: Goal
    budget: Budget
    current: Configuration
    seed: int = 0
    alpha: float = proof.ALPHA
    margin: float = proof.MARGIN


@dataclass(frozen=True)
class Step:
    """What to measure next.

    Attributes
    ----------
    configuration : mapping or None
        None: ask the sampler.
    """

    role: Role
    configuration: Configuration | None
    pair: int | None = None


@dataclass(frozen=True)
class End:
    """Nothing is left to measure.

    Attributes
    ----------
    candidate : mapping or None
        What the proof is about.
    """

    proof: Proof
    candidate: Configuration | None


class CannotBegin(ValueError):
    """The options in use themselves cannot be measured; the message says why."""


def next_step(plan: Plan, done: Sequence[Done], *, is_exhausted: bool = False) -> Step | End:
    """Return what to measure next, or how the study ended.

    Parameters
    ----------
    done : sequence of Done
        Everything so far, in order.
    is_exhausted : bool
        Whether the sampler has nothing left to propose.

    Raises
    ------
    CannotBegin
        If the options in use were refused or lost each time.
    """
    for stage in (_baseline, _search, _finalists):
        step = stage(plan, done, is_exhausted)
        if step is not None:
            return step
    candidate = best(plan, done)
    if candidate is None:
        return End(Proof(Interval(0.0, 0.0, 0.0, 0), "no_effect", "search"), None)
    return _proof(plan, done, candidate)


def current_values(done: Sequence[Done]) -> dict[str, float] | None:
    """Return what the options in use give, the median of their measurements; None before them."""
    found = [one.values for one in done if one.role == "baseline" and one.has_values]
    return _medians(found) if found else None


def best(plan: Plan, done: Sequence[Done]) -> Configuration | None:
    """Return the finalist that did best when measured again; None when none was worth it."""
    reference = current_values(done)
    finalists = _chosen(plan, done)
    if reference is None or not finalists:
        return None
    return max(finalists, key=lambda one: _again(plan, done, one, reference))


def pairs(plan: Plan, done: Sequence[Done]) -> list[float]:
    """Return the weighted log gain of each whole pair of the proof, in order."""
    return [plan.goal.score(b, a) for a, b in _pair_values(done)]


def standing(plan: Plan, done: Sequence[Done]) -> Proof:
    """Return where the proof stands, decided or not."""
    return proof.judge(
        pairs(plan, done),
        keeps_guards=_keeps_guards(plan, done),
        alpha=plan.alpha,
        margin=plan.margin,
    )


def metric_ratios(done: Sequence[Done]) -> dict[str, dict[str, float]]:
    """Return for each metric of the proof the medians of both, so that a price is seen as well."""
    both = _pair_values(done)
    if not both:
        return {}
    current, candidate = _medians([a for a, _b in both]), _medians([b for _a, b in both])
    return {
        name: {"current": current[name], "candidate": candidate[name]}
        for name in current
        if name in candidate
    }


def leading(plan: Plan, done: Sequence[Done]) -> list[tuple[float, Configuration]]:
    """Return the measured configurations of the search that keep the guards, best first."""
    reference = current_values(done)
    if reference is None:
        return []
    found = [
        (plan.goal.score(one.values, reference), one.configuration)
        for one in done
        if one.role == "search"
        and one.has_values
        and all(excess <= 0 for excess in plan.goal.excesses(one.values, reference))
    ]
    return sorted(found, key=lambda one: -one[0])


def _baseline(plan: Plan, done: Sequence[Done], is_exhausted: bool) -> Step | None:
    del is_exhausted
    own = [one for one in done if one.role == "baseline"]
    if sum(one.has_values for one in own) >= N_BASELINES:
        return None
    if any(one.state == "failed" for one in own) or len(own) >= N_BASELINES * MAX_TRIES:
        raise CannotBegin(own[-1].state)
    return Step("baseline", plan.current)


def _search(plan: Plan, done: Sequence[Done], is_exhausted: bool) -> Step | None:
    if any(one.role in {"finalist", "proof_current", "proof_candidate"} for one in done):
        return None
    own = [one for one in done if one.role == "search"]
    again = _to_repeat(own)
    if again is not None:
        return Step("search", again)
    tried = sum(one.state in {"complete", "failed", "pruned"} for one in own)
    left_s = _search_s(plan, done) - sum(one.seconds for one in done)
    needed_s = _candidate_cost(plan, done) or _cost(plan, done)
    if is_exhausted or tried >= plan.budget.n_trials or (left_s < needed_s and tried > 0):
        return None
    return Step("search", None)


def _search_s(plan: Plan, done: Sequence[Done]) -> float:
    """Return when the search is over: what it leaves is enough for finalists and six pairs.

    The proof is given one trial more than its pairs have, for what is lost or takes longer.
    """
    each, whole = _cost(plan, done), plan.budget.seconds
    other = _candidate_cost(plan, done) or each
    room = (1 - BESIDE_SHARE) * whole - LEAST_PAIRS * (each + other) - max(each, other)
    until = min(whole * SEARCH_SHARE, max(whole * LEAST_SEARCH_SHARE, room))
    return until - _n_finalists(plan) * N_FINALIST_TRIALS * other


def _cost(plan: Plan, done: Sequence[Done]) -> float:
    """Return the seconds of one trial, draining included, as the options in use showed."""
    seen = [one.seconds for one in done if one.role == "baseline" and one.has_values]
    return max([plan.budget.trial_seconds, *([statistics.median(seen)] if seen else [])])


def _candidate_cost(plan: Plan, done: Sequence[Done]) -> float:
    """Return the seconds of the longest trial of those that lead; 0 before any does."""
    leaders = _chosen(plan, done)
    own = [one.seconds for one in done if one.has_values and one.configuration in leaders]
    return max(own, default=0.0)


def _n_finalists(plan: Plan) -> int:
    is_large = plan.budget.seconds >= _MANY_TRIALS * plan.budget.trial_seconds
    return N_FINALISTS if is_large else FEWEST_FINALISTS


def _least_pairs(plan: Plan) -> int:
    return min(LEAST_PAIRS, plan.budget.n_pairs)


def _to_repeat(own: Sequence[Done]) -> Configuration | None:
    """Return the configuration measured last if it was lost or disturbed, and not too often."""
    if not own or own[-1].state not in {"lost", "disturbed"}:
        return None
    last = own[-1].configuration
    tries = sum(one.configuration == last for one in own if one.state in {"lost", "disturbed"})
    return last if tries < MAX_TRIES else None


def _finalists(plan: Plan, done: Sequence[Done], is_exhausted: bool) -> Step | None:
    del is_exhausted
    for count in range(1, N_FINALIST_TRIALS + 1):
        for one in _chosen(plan, done):
            own = [
                trial for trial in done if trial.role == "finalist" and trial.configuration == one
            ]
            measured = sum(trial.has_values for trial in own)
            if measured < count and len(own) < N_FINALIST_TRIALS * MAX_TRIES:
                return Step("finalist", one)
    return None


def _chosen(plan: Plan, done: Sequence[Done]) -> list[Configuration]:
    found: list[Configuration] = []
    for score, one in leading(plan, done):
        if score > 0 and dict(one) != dict(plan.current) and one not in found:
            found.append(one)
    return found[: _n_finalists(plan)]


def _again(
    plan: Plan, done: Sequence[Done], one: Configuration, reference: Mapping[str, float]
) -> float:
    scores = [
        plan.goal.score(trial.values, reference)
        for trial in done
        if trial.role == "finalist" and trial.configuration == one and trial.has_values
    ]
    return statistics.fmean(scores) if scores else float("-inf")


def _proof(plan: Plan, done: Sequence[Done], candidate: Configuration) -> Step | End:
    found = pairs(plan, done)
    spent_s = sum(one.seconds for one in done)
    is_whole = len(found) % 2 == 0
    pair_s = _cost(plan, done) + (_candidate_cost(plan, done) or _cost(plan, done))
    is_spent = spent_s + pair_s > (1 - BESIDE_SHARE) * plan.budget.seconds
    is_enough = len(found) >= _least_pairs(plan)
    is_last = len(found) >= plan.budget.n_pairs or (is_spent and is_enough)
    stuck = _stuck(done)
    verdict = proof.judge(
        found,
        is_last=is_last or stuck,
        keeps_guards=_keeps_guards(plan, done),
        alpha=plan.alpha,
        margin=plan.margin,
    )
    if verdict.verdict and ((is_whole and is_enough) or is_last or stuck):
        return End(verdict, candidate)
    return _slot(plan, done, candidate, len(found))


def _slot(plan: Plan, done: Sequence[Done], candidate: Configuration, pair: int) -> Step:
    first, second = proof.order(pair, plan.seed)
    has_first = any(
        one.pair == pair and one.has_values and one.role == _role(is_candidate=first)
        for one in done
    )
    is_candidate = second if has_first else first
    configuration = candidate if is_candidate else plan.current
    return Step(_role(is_candidate=is_candidate), configuration, pair)


def _role(*, is_candidate: bool) -> Role:
    return "proof_candidate" if is_candidate else "proof_current"


def _stuck(done: Sequence[Done]) -> bool:
    """Whether the last trials of the proof gave nothing again and again."""
    own = [one for one in done if one.pair is not None][-MAX_TRIES:]
    return len(own) == MAX_TRIES and not any(one.has_values for one in own)


def _pair_values(
    done: Sequence[Done],
) -> list[tuple[Mapping[str, float], Mapping[str, float]]]:
    """Return (current, candidate) of each pair of which both were measured."""
    found: dict[int, dict[str, Mapping[str, float]]] = {}
    for one in done:
        if one.pair is not None and one.has_values:
            found.setdefault(one.pair, {})[one.role] = one.values
    return [
        (both["proof_current"], both["proof_candidate"])
        for _pair, both in sorted(found.items())
        if len(both) == 2
    ]


def _keeps_guards(plan: Plan, done: Sequence[Done]) -> bool:
    both = _pair_values(done)
    if not both:
        return True
    current, candidate = _medians([a for a, _b in both]), _medians([b for _a, b in both])
    return all(excess <= 0 for excess in plan.goal.excesses(candidate, current))


def _medians(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = set(found[0]).intersection(*found[1:])
    return {name: statistics.median(one[name] for one in found) for name in sorted(names)}
