"""What every put-rate model does: be fitted, predict with an interval, survive as JSON."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from tuning.engine.problems import ModelError
from tuning.engine.putrate.inputs import PutInputs

#: How often the interval is to hold the measured rate.
COVERAGE = 0.80
#: Fewest rows that a model is fitted on.
FEWEST_ROWS = 8


@dataclass(frozen=True)
class Observation:
    """A measured sustainable rate.

    Attributes
    ----------
    rate : float
        Puts a second, debt paid.
    group : str
        Of the configuration; rows of one group are never split between fitting and scoring.
    """

    inputs: PutInputs
    rate: float
    group: str


@dataclass(frozen=True)
class Prediction:
    """A predicted sustainable rate (1/s) and its 80 % interval.

    Attributes
    ----------
    is_extrapolated : bool
        Whether an input lies outside what the model was fitted on.
    """

    rate: float
    low: float
    high: float
    is_extrapolated: bool = False


class PutRateModel(Protocol):
    """A version of the put-rate model."""

    @property
    def name(self) -> str:
        """Its version: ``v1`` to ``v5``."""

    @property
    def formula(self) -> str:
        """In one line; symbols as in the docs."""

    @property
    def stated_error(self) -> float:
        """Median absolute percentage error that fitting left, as a share; what it may be held to.

        Raises
        ------
        ModelError
            If it is not fitted.
        """

    def fit(self, observations: Sequence[Observation]) -> Self:
        """Return the model fitted on measurements.

        Raises
        ------
        ModelError
            If there are too few.
        """

    def predict(self, inputs: PutInputs) -> Prediction:
        """Predict one rate.

        Raises
        ------
        ModelError
            If it is not fitted.
        """

    def as_json(self) -> dict[str, Any]:
        """Return all it has learned as plain JSON."""


def checked(name: str, observations: Sequence[Observation]) -> None:
    """Refuse what no model can be fitted on.

    Raises
    ------
    ModelError
        If there are fewer than eight rows, or a rate is not a positive number.
    """
    if len(observations) < FEWEST_ROWS:
        raise ModelError("too_few_rows", model=name, limit=FEWEST_ROWS, value=len(observations))
    for one in observations:
        if not (one.rate > 0 and math.isfinite(one.rate)):
            raise ModelError(
                "model_input", model=name, field="rate", value=one.rate, rule="a positive number"
            )


def conformal(residuals: NDArray[np.float64], coverage: float = COVERAGE) -> float:
    """Return the half width of a split-conformal interval.

    The ``⌈(n + 1)·coverage⌉``-th smallest absolute residual (Vovk and others, 2005; Lei and others,
    2018); the largest where n is too small for that.
    """
    ordered = np.sort(np.abs(residuals))
    rank = math.ceil((len(ordered) + 1) * coverage)
    return float(ordered[min(rank, len(ordered)) - 1])


def folds(groups: Sequence[str], n_folds: int, seed: int = 0) -> list[NDArray[np.bool_]]:
    """Return masks of the rows left out by each fold; a group is left out as a whole."""
    names = sorted(set(groups))
    order = np.random.default_rng(seed).permutation(len(names))
    place = {names[int(at)]: rank % n_folds for rank, at in enumerate(order)}
    places = np.array([place[group] for group in groups])
    return [places == fold for fold in range(min(n_folds, len(names)))]


def number(data: Mapping[str, Any], name: str) -> float:
    """Return a finite number of a serialised model.

    Raises
    ------
    ModelError
        If it is missing or none.
    """
    value = data.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ModelError("bad_model", reason=f"{name} is {value!r}, not a finite number")
    return float(value)
