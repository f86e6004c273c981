"""The sampler: Optuna asked for what to measure next and told what came of it.

Optuna knows the options that may change and one number to raise (or one for each factor); rules
between options, guard-rails and what is in use are kept here.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.samplers import BaseSampler, GridSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import TrialState

from tuning.engine.contract import Target
from tuning.engine.options import Option, Value
from tuning.engine.problems import BadConfiguration

SAMPLERS = ("tpe", "random", "grid", "nsga2")
PRUNERS = ("none", "median")
_ORIGIN = "origin"
#: Proposals in a row that may break a rule of the target before the space counts as empty.
_MOST_ASKS = 200
#: After so many the sampler, which does not learn from refusals, is replaced by blind draws.
_BLIND_AFTER = 20
#: A grid has so many steps along a number, and so many points at most.
_GRID_STEPS, _MOST_POINTS = 4, 256
#: Fewer measured trials say nothing of which option matters.
MIN_FOR_IMPORTANCE = 8

logging.getLogger("optuna").setLevel(logging.WARNING)


@dataclass(frozen=True)
class Proposal:
    """What the sampler proposes.

    Attributes
    ----------
    number : int
        The sampler's own number of it.
    configuration : mapping
        Whole: what is not searched is as in use.
    origin : mapping
        What it was enqueued with; empty where the sampler drew it.
    """

    number: int
    configuration: dict[str, Value]
    origin: dict[str, str] = field(default_factory=dict)


def searchable(options: Sequence[Option]) -> tuple[Option, ...]:
    """Return the options that a sampler can draw: those with bounds and more than one value."""
    return tuple(option for option in options if _distribution(option, allow_none=True) is not None)


def _distribution(option: Option, *, allow_none: bool = False) -> BaseDistribution | None:
    if option.kind == "switch":
        return CategoricalDistribution((False, True))
    if option.kind == "choice":
        return CategoricalDistribution(option.choices) if len(option.choices) > 1 else None
    if option.low is None or option.high is None or option.low >= option.high:
        return None
    if option.kind == "integer":
        low, high = int(option.low), int(option.high)
        return IntDistribution(low, high, log=option.log and low >= 1)
    return FloatDistribution(option.low, option.high, log=option.log and option.low > 0)


def make_sampler(name: str, options: Sequence[Option], seed: int) -> BaseSampler:
    """Return a sampler of Optuna by our name for it."""
    if name == "random":
        return RandomSampler(seed=seed)
    if name == "nsga2":
        return NSGAIISampler(seed=seed, population_size=16)
    if name == "grid":
        return GridSampler(_grid(options), seed=seed)
    return TPESampler(seed=seed, n_startup_trials=8, multivariate=True)


def _grid(options: Sequence[Option]) -> dict[str, list[Any]]:
    axes = {option.name: _steps(option, _GRID_STEPS) for option in options}
    for steps in (3, 2):
        if np.prod([len(one) for one in axes.values()]) > _MOST_POINTS:
            axes = {option.name: _steps(option, steps) for option in options}
    return axes


def _steps(option: Option, count: int) -> list[Any]:
    kind = _distribution(option)
    if isinstance(kind, CategoricalDistribution):
        return list(kind.choices)
    if not isinstance(kind, IntDistribution | FloatDistribution):
        return [option.default]
    make = np.geomspace if kind.log else np.linspace
    values = make(kind.low, kind.high, count)
    if isinstance(kind, IntDistribution):
        return sorted({round(float(one)) for one in values})
    return [min(max(float(one), kind.low), kind.high) for one in values]


def drawn(option: Option, generator: np.random.Generator) -> Value:
    """Return a value of an option drawn blindly, a number's logarithm where that suits it."""
    kind = _distribution(option)
    if isinstance(kind, CategoricalDistribution):
        return kind.choices[int(generator.integers(len(kind.choices)))]  # type: ignore[return-value]  # of our own choices
    if not isinstance(kind, IntDistribution | FloatDistribution):
        return option.default
    low, high = float(kind.low), float(kind.high)
    value = (
        float(np.exp(generator.uniform(np.log(low), np.log(high))))
        if kind.log
        else float(generator.uniform(low, high))
    )
    value = min(max(value, low), high)
    return round(value) if isinstance(kind, IntDistribution) else value


class Search:
    """A study of Optuna over the options of a target.

    Parameters
    ----------
    study
        In whatever storage, its sampler set.
    options
        What may change, of :func:`searchable`.
    target
        Checks whole configurations.
    current
        What is in use, the rest of each configuration.
    """

    def __init__(
        self,
        study: optuna.Study,
        options: Sequence[Option],
        target: Target,
        current: Mapping[str, Value],
    ) -> None:
        self._study, self._target = study, target
        self._options, self._current = tuple(options), dict(current)
        self._asked: dict[int, optuna.Trial] = {}
        self._space = {option.name: _distribution(option) for option in self._options}

    def enqueue(self, configuration: Mapping[str, Value], origin: Mapping[str, str]) -> None:
        """Have a configuration proposed next, as far as it lies within the space.

        What lies outside stays as in use; with nothing left to change there is nothing to measure.

        Parameters
        ----------
        origin : mapping
            Where it comes from; a proposal hands it on.
        """
        given = {}
        for name, kind in self._space.items():
            asked = (configuration.get(name), self._current.get(name))
            within = [one for one in asked if kind is not None and _holds(kind, one)]
            if within:
                given[name] = within[0]
        if any(value != self._current.get(name) for name, value in given.items()):
            self._study.enqueue_trial(
                given, user_attrs={_ORIGIN: dict(origin)}, skip_if_exists=True
            )

    def learn(self, configuration: Mapping[str, Value], gains: Sequence[float]) -> None:
        """Tell the sampler of a trial that was measured elsewhere; one outside is left out."""
        space = {name: kind for name, kind in self._space.items() if kind is not None}
        given = {name: configuration.get(name) for name in space}
        if all(value is not None and _holds(space[name], value) for name, value in given.items()):
            self._study.add_trial(
                optuna.trial.create_trial(params=given, distributions=space, values=list(gains))
            )

    def ask(self, focus: Collection[str] = ()) -> Proposal | None:
        """Return what to measure next; None when nothing that is allowed was found.

        Parameters
        ----------
        focus : collection of str
            Options that alone are drawn, the others as in use; empty for all. What was enqueued
            is proposed whole.
        """
        usual = self._study.sampler
        try:
            for count in range(_MOST_ASKS):
                if count == _BLIND_AFTER:
                    self._study.sampler = RandomSampler(seed=len(self._study.trials))
                found = self._proposed(focus)
                if found is not None:
                    return found
        finally:
            self._study.sampler = usual
        return None

    def _proposed(self, focus: Collection[str]) -> Proposal | None:
        waiting = self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        drawn = set(self._space) & set(focus)
        names = drawn if drawn and not waiting else set(self._space)
        trial = self._study.ask(
            {name: kind for name, kind in self._space.items() if kind and name in names}
        )
        try:
            whole = self._target.check({**self._current, **trial.params})
        except BadConfiguration:
            self._study.tell(trial, state=TrialState.FAIL)
            return None
        self._asked[trial.number] = trial
        return Proposal(trial.number, whole, dict(trial.user_attrs.get(_ORIGIN, {})))

    def should_prune(self, number: int, gain: float) -> bool:
        """Whether a short look at a trial says that a long one would be wasted."""
        trial = self._asked[number]
        trial.report(gain, 1)
        return bool(trial.should_prune())

    def tell(
        self, number: int, gains: Sequence[float] | None, excesses: Sequence[float] = ()
    ) -> None:
        """Tell what came of a proposal; None when it gave no figures."""
        trial = self._asked.pop(number)
        if gains is None:
            self._study.tell(trial, state=TrialState.FAIL)
            return
        for place, excess in enumerate(excesses):
            trial.set_constraint(f"guard-{place}", excess)
        self._study.tell(trial, list(gains))

    def tell_pruned(self, number: int) -> None:
        """Tell that a proposal was given up early."""
        self._study.tell(self._asked.pop(number), state=TrialState.PRUNED)

    def close_open(self) -> None:
        """Tell the sampler that proposals nobody works on any more gave no figures."""
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if trial.number not in self._asked:
                self._study.tell(trial.number, state=TrialState.FAIL)


def _holds(kind: BaseDistribution, value: object) -> bool:
    if isinstance(kind, CategoricalDistribution):
        return value in kind.choices
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(kind, IntDistribution | FloatDistribution) and kind.low <= value <= kind.high


def make_study(
    *,
    name: str,
    n_gains: int,
    sampler: BaseSampler,
    pruner: str = "none",
    storage: "optuna.storages.BaseStorage | None" = None,
) -> optuna.Study:
    """Return the study of that name, made now if there is none."""
    return optuna.create_study(
        storage=storage,
        sampler=sampler,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5)
        if pruner == "median"
        else optuna.pruners.NopPruner(),
        study_name=name,
        directions=["maximize"] * n_gains,
        load_if_exists=True,
    )


def importance(
    options: Sequence[Option],
    measured: Sequence[tuple[Mapping[str, Value], float]],
    seed: int = 0,
) -> dict[str, float]:
    """Return how much of the score's variance each option explains (functional ANOVA).

    Parameters
    ----------
    measured : sequence of (configuration, score)

    Returns
    -------
    dict
        By option, adding up to 1, the largest first; empty with fewer than
        :data:`MIN_FOR_IMPORTANCE` trials or without any difference between them.
    """
    space = {one.name: kind for one in options if (kind := _distribution(one)) is not None}
    known = [
        (configuration, score)
        for configuration, score in measured
        if all(_holds(kind, configuration.get(name)) for name, kind in space.items())
    ]
    if len(known) < MIN_FOR_IMPORTANCE or np.ptp([score for _one, score in known]) == 0:
        return {}
    study = optuna.create_study(direction="maximize")
    study.add_trials(
        [
            optuna.trial.create_trial(
                params={name: configuration[name] for name in space},
                distributions=space,
                value=score,
            )
            for configuration, score in known
        ]
    )
    found = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=seed))
    shares = {name: float(share) for name, share in found.items()}
    return dict(sorted(shares.items(), key=lambda one: -one[1]))


def front(gains: Sequence[Mapping[str, float]]) -> list[int]:
    """Return the places of those that no other beats in every factor at once."""
    rows = [tuple(one.values()) for one in gains]
    return [
        place for place, row in enumerate(rows) if not any(_dominates(other, row) for other in rows)
    ]


def _dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    pairs = list(zip(one, other, strict=True))
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)
