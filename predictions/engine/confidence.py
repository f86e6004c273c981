"""How far a single call can be relied on: high, medium or low.

Rule (ours; `test_high_confidence_calls_are_wrong_less_often` holds it). A calibrated probability p
says how often a call made there is wrong: 1 - p for a defect call, p for a good one, plus the mean
calibration error met out of fold. That expected error grows as p nears the threshold. It is
compared with how often calls of the same kind were wrong out of fold: at most half of that is high,
at most all of it is medium, more is low.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Level = Literal["high", "medium", "low"]

HIGH_SHARE = 0.5


@dataclass(frozen=True)
class ConfidenceRule:
    """The rule with the figures of one version.

    Attributes
    ----------
    threshold : float
        Probability from which a shot is called a defect.
    defect_error, ok_error : float
        Share of wrong calls among defect calls and among good calls, out of fold.
    calibration_error : float
        Expected calibration error out of fold.
    """

    threshold: float
    defect_error: float
    ok_error: float
    calibration_error: float

    def level(self, probability: float) -> Level:
        """Return the confidence in the call made at one calibrated probability."""
        if probability >= self.threshold:
            expected, usual = 1 - probability, self.defect_error
        else:
            expected, usual = probability, self.ok_error
        expected += self.calibration_error
        if expected <= HIGH_SHARE * usual:
            return "high"
        return "medium" if expected <= usual else "low"

    def levels(self, probability: NDArray[np.floating]) -> list[Level]:
        """Return the confidence of many calls, shape [n]."""
        return [self.level(value) for value in probability.tolist()]

    def to_dict(self) -> dict[str, float]:
        """Return the figures ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, float]) -> "ConfidenceRule":
        """Rebuild a rule from `to_dict`."""
        return cls(**content)


def learn_rule(
    labels: NDArray[np.bool_],
    probability: NDArray[np.float64],
    threshold: float,
    calibration_error: float,
) -> ConfidenceRule:
    """Return the rule for a version from its out-of-fold predictions.

    Parameters
    ----------
    labels : bool array, shape [n]
    probability : float array, shape [n]
        Calibrated, out of fold.
    threshold : float
        Of the version.
    calibration_error : float
        Expected calibration error of these predictions.

    Returns
    -------
    ConfidenceRule
        A kind of call that never occurred has the error 0, so that its first calls are low.
    """
    called = probability >= threshold
    return ConfidenceRule(
        threshold,
        _share_wrong(~labels[called]),
        _share_wrong(labels[~called]),
        calibration_error,
    )


def _share_wrong(wrong: NDArray[np.bool_]) -> float:
    return float(wrong.mean()) if wrong.size else 0.0
