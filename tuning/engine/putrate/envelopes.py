"""v1 to v4 as models: a formula with nothing but an interval learned from measurements."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from tuning.engine.problems import ModelError
from tuning.engine.putrate import formulas
from tuning.engine.putrate.contract import (
    Observation,
    Prediction,
    checked,
    conformal,
    number,
)
from tuning.engine.putrate.dynamic import simulated
from tuning.engine.putrate.inputs import PutInputs

RATES: Mapping[str, Callable[[PutInputs], float]] = {
    "v1": formulas.device_envelope,
    "v2": formulas.harmonic_mean,
    "v3": lambda given: simulated(given).rate,
    "v4": formulas.level_envelope,
}


@dataclass(frozen=True)
class Envelope:
    """A formula and the half width of its interval in logarithms.

    Attributes
    ----------
    half_width : float or None
        None before it is fitted.
    error : float or None
        Median absolute percentage error of the rows it was fitted on, as a share.
    """

    name: str
    half_width: float | None = None
    error: float | None = None

    @property
    def formula(self) -> str:
        """In one line."""
        return formulas.FORMULAS[self.name]

    @property
    def stated_error(self) -> float:
        """Median absolute percentage error that fitting saw, as a share."""
        if self.error is None:
            raise ModelError("not_fitted", model=self.name)
        return self.error

    def fit(self, observations: Sequence[Observation]) -> Self:
        """Learn the interval; the formula has no parameters."""
        checked(self.name, observations)
        rate_of = RATES[self.name]
        predicted = np.array([rate_of(one.inputs) for one in observations])
        actual = np.array([one.rate for one in observations])
        error = float(np.median(np.abs(predicted / actual - 1.0)))
        return replace(self, half_width=conformal(np.log(actual / predicted)), error=error)

    def predict(self, inputs: PutInputs) -> Prediction:
        """Predict one rate."""
        if self.half_width is None:
            raise ModelError("not_fitted", model=self.name)
        rate = RATES[self.name](inputs)
        return Prediction(
            rate, rate * float(np.exp(-self.half_width)), rate * float(np.exp(self.half_width))
        )

    def as_json(self) -> dict[str, Any]:
        """Return the interval."""
        return {
            "model": self.name,
            "half_width": self.half_width,
            "stated_error": self.stated_error,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Envelope":
        """Return what `as_json` gave."""
        return cls(str(data["model"]), number(data, "half_width"), number(data, "stated_error"))
