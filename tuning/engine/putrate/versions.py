"""All versions of the put-rate model: made, loaded, and scored side by side."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuning.engine.problems import ModelError
from tuning.engine.putrate.calibrated import Calibrated
from tuning.engine.putrate.contract import Observation, PutRateModel, folds
from tuning.engine.putrate.envelopes import RATES, Envelope

#: The newest last. The boosting is a comparison and no version: it cannot be registered.
VERSIONS: Mapping[str, Callable[[], PutRateModel]] = {
    **{name: functools.partial(Envelope, name) for name in RATES},
    "v5": Calibrated,
}
BASELINE = "boosting"
N_FOLDS = 8


@dataclass(frozen=True)
class Score:
    """How well a model predicted configurations that it had never seen.

    Attributes
    ----------
    median_ape, p90_ape : float
        Absolute percentage error, as a share of the measured rate.
    coverage : float
        Share of measured rates inside the 80 % interval.
    width : float
        Median of upper over lower bound.
    errors : float64 [rows]
        Predicted over measured, less 1, for every row.
    """

    name: str
    n: int
    median_ape: float
    p90_ape: float
    coverage: float
    width: float
    errors: NDArray[np.float64]


def loaded(data: Mapping[str, Any]) -> PutRateModel:
    """Return a model from its JSON.

    Raises
    ------
    ModelError
        If it is none.
    """
    name = data.get("model")
    if name == "v5":
        return Calibrated.from_json(data)
    if name in RATES:
        return Envelope.from_json(data)
    known = ", ".join(VERSIONS)
    raise ModelError("bad_model", reason=f"its version is {name!r}; known are {known}")


def scored(
    observations: Sequence[Observation], n_folds: int = N_FOLDS, seed: int = 0
) -> tuple[Score, ...]:
    """Score every version and the plain boosting on groups left out, split as the seed says."""
    from tuning.engine.putrate.boosting import Boosting  # noqa: PLC0415 - scikit-learn is large

    made: dict[str, Callable[[], PutRateModel]] = {**VERSIONS, BASELINE: Boosting}
    return tuple(score(name, make, observations, n_folds, seed) for name, make in made.items())


def score(
    name: str,
    make: Callable[[], PutRateModel],
    observations: Sequence[Observation],
    n_folds: int = N_FOLDS,
    seed: int = 0,
) -> Score:
    """Score one model on groups left out, each row predicted once."""
    rows = list(observations)
    found = np.zeros((len(rows), 3))
    for left in folds([row.group for row in rows], n_folds, seed):
        model = make().fit([row for row, out in zip(rows, left, strict=True) if not out])
        for at in np.flatnonzero(left):
            predicted = model.predict(rows[at].inputs)
            found[at] = predicted.rate, predicted.low, predicted.high
    actual = np.array([row.rate for row in rows])
    rate, low, high = found.T
    errors = rate / actual - 1.0
    return Score(
        name=name,
        n=len(rows),
        median_ape=float(np.median(np.abs(errors))),
        p90_ape=float(np.quantile(np.abs(errors), 0.9)),
        coverage=float(np.mean((low <= actual) & (actual <= high))),
        width=float(np.median(high / low)),
        errors=errors,
    )
