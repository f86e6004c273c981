"""Which graph to build for a recall: links and breadth of the build by a study, breadth by need.

A trial builds one graph. Its search breadth is not sampled: recall grows with it, so the least
breadth that reaches the target is found by halving, and the trial is worth the latency there. The
study is Optuna's (Akiba et al., 2019) with its tree-structured Parzen estimator (Bergstra et al.,
2011). A trial whose graph misses the target at any breadth, or failed, counts as pruned.

Choosing and proving use different questions: the even ones choose, the odd ones prove.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    IntDistribution,
)
from optuna.trial import TrialState, create_trial

from search.lab.engine import statistics
from search.lab.engine.analysis import comparing
from search.lab.engine.matrix import MAX_RECALL, MIN_RECALL
from search.lab.engine.measuring import Samples
from search.lab.engine.problems import MatrixProblem
from search.lab.engine.statistics import Figure

optuna.logging.set_verbosity(optuna.logging.WARNING)

_M = IntDistribution(4, 64, step=4)
_BUILD = IntDistribution(40, 800, log=True)
#: What is sampled for each engine.
SPACES: Mapping[str, Mapping[str, BaseDistribution]] = {
    "hnswlib": {"m": _M, "ef_construction": _BUILD},
    "faiss-hnsw-sq8": {
        "m": _M,
        "ef_construction": _BUILD,
        "rerank": IntDistribution(10, 200, log=True),
    },
    "millwright": {
        "m": _M,
        "ef_construction": _BUILD,
        "code_bits": CategoricalDistribution((4, 8)),
    },
}
#: What every candidate has: the portal's engine searches small corpora without a graph.
FIXED: Mapping[str, Mapping[str, Any]] = {"millwright": {"exact_below": 0}}
#: What the study tries first: the engines' own defaults, as a graph.
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "hnswlib": {"m": 32, "ef_construction": 200},
    "faiss-hnsw-sq8": {"m": 32, "ef_construction": 200, "rerank": 100},
    "millwright": {"m": 16, "ef_construction": 200, "code_bits": 4},
}
#: The names of our engine's parameters among the build options of a collection.
_OPTIONS = {
    "m": "hnsw_m",
    "ef_construction": "ef_construction",
    "ef_search": "ef_search",
    "code_bits": "code_bits",
    "exact_below": "exact_below",
}
MAX_TRIALS = 500
#: What a run keeps.
MAX_SEED = (1 << 63) - 1


@dataclass(frozen=True)
class Tried:
    """One trial.

    Attributes
    ----------
    parameters : mapping
        What was sampled.
    p50_ms : float or None
        Median latency at the least breadth that reaches the target; None if none does.
    facts : mapping
        ``ef_search``, ``recall``, ``build_s``, ``size_bytes``, or ``error``.
    """

    parameters: Mapping[str, Any]
    p50_ms: float | None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {
            "parameters": dict(self.parameters),
            "p50_ms": self.p50_ms,
            "facts": dict(self.facts),
        }


class Search:
    """A study of one engine that goes on from the trials it is given.

    Parameters
    ----------
    engine : str
        One of `SPACES`.
    seed : int
    tried : sequence of Tried
        Trials of before, in their order.

    Raises
    ------
    MatrixProblem
        If the engine has no graph to tune.
    """

    def __init__(self, engine: str, seed: int, tried: Sequence[Tried] = ()) -> None:
        check_engine(engine)
        self._space = SPACES[engine]
        self.tried: list[Tried] = []
        # A seed of its own for each beginning: the sampler would else repeat what it drew first.
        sampler = optuna.samplers.TPESampler(seed=(seed + len(tried)) % 2**32, multivariate=False)
        self._study = optuna.create_study(direction="minimize", sampler=sampler)
        for one in tried:
            self.tell(one)
        if not tried:
            self._study.enqueue_trial(dict(DEFAULTS[engine]))

    def ask(self) -> dict[str, Any]:
        """Return parameters to try next."""
        trial = self._study.ask(dict(self._space))
        parameters = dict(trial.params)
        # What was asked is told as a trial of its own, whole; this one was only a question.
        self._study.tell(trial, state=TrialState.FAIL)
        return parameters

    def tell(self, one: Tried) -> None:
        """Add what a trial gave."""
        self.tried.append(one)
        state = TrialState.PRUNED if one.p50_ms is None else TrialState.COMPLETE
        self._study.add_trial(
            create_trial(
                params=dict(one.parameters),
                distributions=dict(self._space),
                value=one.p50_ms,
                state=state,
            )
        )

    @property
    def best(self) -> Tried | None:
        """The fastest trial that reached the target."""
        reached = [one for one in self.tried if one.p50_ms is not None]
        return min(reached, key=lambda one: one.p50_ms or math.inf, default=None)

    def knows(self, parameters: Mapping[str, Any]) -> bool:
        """Whether these very parameters were tried."""
        return any(dict(one.parameters) == dict(parameters) for one in self.tried)


@dataclass(frozen=True)
class Duel:
    """The candidate against the defaults on questions that chose nothing.

    Attributes
    ----------
    recall, p50_ms : Figure
        Of the candidate.
    default_recall, default_p50_ms : Figure
        Of the engine's defaults.
    ratio : Figure
        Median latency of the candidate over that of the defaults, the questions paired.
    verdict : str
        ``faster``, ``slower``, ``same`` or ``inconclusive``.
    """

    recall: Figure
    p50_ms: Figure
    default_recall: Figure
    default_p50_ms: Figure
    ratio: Figure
    verdict: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {
            name: vars(value) if isinstance(value, Figure) else value
            for name, value in vars(self).items()
        }


def duel(ours: Samples, theirs: Samples) -> Duel:
    """Judge two runs over the same questions, asked in turns."""
    ratio = statistics.ratio_of_medians(ours.wall_ms, theirs.wall_ms)
    return Duel(
        statistics.recall(ours.recall_at_10),
        statistics.quantile(ours.wall_ms, 0.5),
        statistics.recall(theirs.recall_at_10),
        statistics.quantile(theirs.wall_ms, 0.5),
        ratio,
        comparing.verdict(ratio),
    )


def options(engine: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as something can be built with them.

    For the portal's own engine ``{"build": …}``, options of a collection that its next index is
    built with; for others ``{"parameters": …}`` of a matrix of the lab.
    """
    if engine == "millwright":
        return {"build": {_OPTIONS[name]: value for name, value in parameters.items()}}
    return {"parameters": {engine: dict(parameters)}}


def check_engine(engine: str) -> None:
    """Refuse an engine that has no graph to tune.

    Raises
    ------
    MatrixProblem
    """
    if engine not in SPACES:
        raise MatrixProblem(
            "unknown_choice", field="engine", value=repr(engine)[:80], allowed=", ".join(SPACES)
        )


def check_numbers(*, recall: float, n_trials: int, seed: int = 0) -> None:
    """Refuse a target, a number of trials or a seed out of bounds.

    Raises
    ------
    MatrixProblem
    """
    if not MIN_RECALL <= recall <= MAX_RECALL:
        raise MatrixProblem(
            "wrong_number", field="recall", value=recall, low=MIN_RECALL, high=MAX_RECALL
        )
    if not 1 <= n_trials <= MAX_TRIALS:
        raise MatrixProblem(
            "wrong_number", field="trials", value=_cut(n_trials), low=1, high=MAX_TRIALS
        )
    if not 0 <= seed <= MAX_SEED:
        raise MatrixProblem("wrong_number", field="seed", value=_cut(seed), low=0, high=MAX_SEED)


def _cut(value: int) -> str:
    return str(value)[:40]
