"""Calibrators: raw log-odds of a learner to log-odds that can be believed.

Numpy alone, because web processes explain what they answer. How they are fitted: `calibration`.

Explanations need a calibrator's part in what is served. Both kinds are functions of one score that
is a sum of parts, so a part `v` of the score becomes `v` times the mean slope on the straight way
from the base value's score to the shot's: the Aumann-Shapley value of a function of a sum (Aumann
and Shapley, Values of Non-Atomic Games (1974); integrated gradients of Sundararajan, Taly and Yan,
ICML (2017) 3319). What is given out adds up to what there is, exactly, and every part keeps its
sign. For a straight line it is the slope itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Scores nearer to one another than this are taken for one point; rounding would decide otherwise.
_NEAR = 1e-9


class UnreadableCalibrator(ValueError):
    """The content is not a calibrator."""


def expit(log_odds: Floats) -> Floats:
    """Return the logistic function, without overflow."""
    shrunk = np.exp(-np.abs(log_odds))
    found: Floats = np.where(log_odds >= 0, 1.0, shrunk) / (1.0 + shrunk)
    return found


@dataclass(frozen=True)
class Platt:
    """A straight line in log-odds: ``slope * raw + intercept``.

    Attributes
    ----------
    slope : float
        0 when raw scores did not rise with defects; the probability is then the defect share.
    intercept : float
    """

    slope: float
    intercept: float

    method: ClassVar[str] = "platt"
    #: What it adds to how parts are found; scaling by one number needs no word.
    step: ClassVar[str] = ""

    def log_odds(self, raw: Floats) -> Floats:
        """Return calibrated log-odds for raw ones, same shape."""
        return self.slope * raw + self.intercept

    def probability(self, raw: Floats) -> Floats:
        """Return probabilities in (0, 1) for raw log-odds, same shape."""
        return expit(self.log_odds(raw))

    def mean_slope(self, start: float, end: float) -> float:
        """Return the mean slope between two raw scores."""
        del start, end
        return self.slope

    def to_dict(self) -> dict[str, Any]:
        """Return the line ready for JSON."""
        return {"method": self.method, "slope": self.slope, "intercept": self.intercept}


@dataclass(frozen=True, eq=False)
class Isotonic:
    """A rising line of straight pieces in log-odds, level outside its ends.

    Attributes
    ----------
    raw : float64 [n_knots]
        Raw log-odds where pieces meet, rising.
    calibrated : float64 [n_knots]
        Calibrated log-odds there, rising.
    """

    raw: Floats
    calibrated: Floats

    method: ClassVar[str] = "isotonic"
    step: ClassVar[str] = "rescaled-by-isotonic-calibration"

    def log_odds(self, raw: Floats) -> Floats:
        """Return calibrated log-odds for raw ones, same shape."""
        found: Floats = np.interp(raw, self.raw, self.calibrated)
        return found

    def probability(self, raw: Floats) -> Floats:
        """Return probabilities in (0, 1) for raw log-odds, same shape."""
        return expit(self.log_odds(raw))

    @property
    def slopes(self) -> Floats:
        """Slope of each piece, float64 [n_knots - 1]."""
        slopes: Floats = np.diff(self.calibrated) / np.diff(self.raw)
        return slopes

    def mean_slope(self, start: float, end: float) -> float:
        """Return the mean slope between two raw scores; the slope there where they are one."""
        if abs(end - start) < _NEAR:
            start, end = start - _NEAR, start + _NEAR
        low, high = self.log_odds(np.array([start, end])).tolist()
        return float((high - low) / (end - start))

    def to_dict(self) -> dict[str, Any]:
        """Return the knots ready for JSON."""
        return {
            "method": self.method,
            "raw": self.raw.tolist(),
            "calibrated": self.calibrated.tolist(),
        }


Calibrator = Platt | Isotonic


def restored(content: Mapping[str, Any]) -> Calibrator:
    """Return a calibrator from `to_dict`; one without a method is Platt's, as all once were.

    Raises
    ------
    UnreadableCalibrator
        If it is none.
    """
    try:
        match content.get("method", Platt.method):
            case Platt.method:
                return Platt(float(content["slope"]), float(content["intercept"]))
            case Isotonic.method:
                knots = (np.asarray(content[name], np.float64) for name in ("raw", "calibrated"))
                return Isotonic(*knots)
            case other:
                raise UnreadableCalibrator(f"calibration by {other!r} is not known")
    except (KeyError, TypeError) as exc:
        raise UnreadableCalibrator(f"not a calibrator: {exc!r}") from exc
