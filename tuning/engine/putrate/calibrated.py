"""v5: the dynamic model calibrated, a learned residual on the log ratio, a conformal interval.

Three physical parameters (processor time of a put, cost of compaction reads, part of the device
that a synced log gets beside flushes and compactions) are chosen on a grid; what the physics leaves
over is a ridge regression on a few inputs, its penalty chosen by leaving rows out; the interval is
conformal over residuals of configurations left out. On a running engine the bias follows what is
measured.

Sources: Hoerl and Kennard, "Ridge Regression" (1970); Lei and others, "Distribution-Free Predictive
Inference for Regression" (2018).
"""

import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tuning.engine.problems import ModelError
from tuning.engine.putrate import formulas
from tuning.engine.putrate.contract import (
    Observation,
    Prediction,
    checked,
    conformal,
    folds,
    number,
)
from tuning.engine.putrate.dynamic import LOG_SHARE, simulated
from tuning.engine.putrate.inputs import PutInputs

#: Grids of the physical parameters; ours. A busy machine multiplies the time of a put.
CPU_SCALES = (0.5, 1.0, 2.0, 4.0, 8.0)
ETAS = (0.0, 0.1, 0.3, 1.0)
LOG_SHARES = (0.2, 0.35, 0.5)
PENALTIES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
N_FOLDS = 8
#: Share of a new surprise that the bias follows, and how far it may go; ours.
LEARNING_RATE = 0.3
FARTHEST_BIAS = math.log(2.0)
FEATURES = (
    "log value bytes",
    "has log",
    "log synced",
    "universal",
    "uncompressed",
    "zstd",
    "entropy",
    "log buffer",
    "log device",
    "limiter share",
    "log turn",
    "foreign load",
    "processor share",
)

Vector = NDArray[np.float64]


@functools.lru_cache(maxsize=1 << 16)
def _physical(given: PutInputs, cpu_scale: float, eta: float, log_share: float) -> float:
    return max(simulated(given, eta, cpu_scale, log_share).rate, 1e-3)


def features(given: PutInputs, rate: float, cpu_scale: float) -> Vector:
    """Return the inputs of the residual; `FEATURES` names them.

    Parameters
    ----------
    rate : float
        What the physics predicts (1/s).
    """
    return np.array(
        [
            math.log(given.value_bytes),
            float(given.has_log),
            float(given.is_log_synced and given.has_log),
            float(given.is_universal),
            float(given.codec == "none"),
            float(given.codec == "zstd"),
            given.compressed_to,
            math.log(given.buffer_bytes),
            math.log(given.write_bps),
            min(1.0, given.write_bps / given.limiter_bps),
            math.log(given.spin_ns),
            given.foreign_load,
            rate * formulas.put_seconds(given, cpu_scale),
        ]
    )


@dataclass(frozen=True)
class Fitted:
    """What v5 has learned; all logarithms are natural."""

    cpu_scale: float
    eta: float
    log_share: float
    means: tuple[float, ...]
    scales: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float
    lows: tuple[float, ...]
    highs: tuple[float, ...]
    half_width: float = 0.0
    error: float = 0.0


@dataclass(frozen=True)
class Calibrated:
    """v5.

    Attributes
    ----------
    bias : float
        Log ratio that the running engine taught; 0 after fitting.
    """

    fitted: Fitted | None = None
    bias: float = 0.0
    name: str = "v5"

    @property
    def formula(self) -> str:
        """In one line."""
        return formulas.FORMULAS["v5"]

    @property
    def stated_error(self) -> float:
        """Median absolute percentage error on configurations left out in fitting, as a share."""
        return self._known().error

    def fit(self, observations: Sequence[Observation]) -> Self:
        """Calibrate, learn the residual, and measure the interval on groups left out."""
        checked(self.name, observations)
        rows = list(observations)
        residuals = np.zeros(len(rows))
        for left in folds([one.group for one in rows], N_FOLDS):
            kept = [row for row, out in zip(rows, left, strict=True) if not out]
            part = _fitted(kept)
            for at in np.flatnonzero(left):
                residuals[at] = math.log(rows[at].rate / _rate(part, rows[at].inputs))
        error = float(np.median(np.abs(np.exp(-residuals) - 1.0)))
        whole = replace(_fitted(rows), half_width=conformal(residuals), error=error)
        return replace(self, fitted=whole, bias=0.0)

    def predict(self, inputs: PutInputs) -> Prediction:
        """Predict one rate."""
        known = self._known()
        rate = _rate(known, inputs) * math.exp(self.bias)
        seen = features(inputs, rate, known.cpu_scale)[:-1]
        room = 0.1 * (np.array(known.highs) - np.array(known.lows)) + 1e-9
        outside = (seen < np.array(known.lows) - room) | (seen > np.array(known.highs) + room)
        wide = math.exp(known.half_width)
        return Prediction(rate, rate / wide, rate * wide, is_extrapolated=bool(outside.any()))

    def adapted(self, inputs: PutInputs, rate: float) -> Self:
        """Return the model after a further measurement on a running engine.

        The bias moves by a part of the surprise and never beyond a factor of two.
        """
        surprise = math.log(rate / self.predict(inputs).rate)
        moved = self.bias + LEARNING_RATE * surprise
        return replace(self, bias=max(-FARTHEST_BIAS, min(FARTHEST_BIAS, moved)))

    def as_json(self) -> dict[str, Any]:
        """Return all that was learned."""
        known = self._known()
        lists = {name: list(getattr(known, name)) for name in _LISTS}
        numbers = {name: getattr(known, name) for name in _NUMBERS}
        return {"model": self.name, "bias": self.bias, **numbers, **lists}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Calibrated":
        """Return what `as_json` gave.

        Raises
        ------
        ModelError
            If a number is missing or none, or a list has another length.
        """
        # Fits of releases before 0.2 knew no share of the log.
        numbers = {name: number({"log_share": LOG_SHARE, **data}, name) for name in _NUMBERS}
        lists = {name: _listed(data, name) for name in _LISTS}
        return cls(Fitted(**numbers, **lists), bias=number(data, "bias"))  # type: ignore[arg-type]  # by name

    def _known(self) -> Fitted:
        if self.fitted is None:
            raise ModelError("not_fitted", model=self.name)
        return self.fitted


_NUMBERS = ("cpu_scale", "eta", "log_share", "intercept", "half_width", "error")
#: Lists by name, with how many numbers each has.
_LISTS = {
    "means": len(FEATURES),
    "scales": len(FEATURES),
    "weights": len(FEATURES),
    "lows": len(FEATURES) - 1,
    "highs": len(FEATURES) - 1,
}


def _listed(data: Mapping[str, Any], name: str) -> tuple[float, ...]:
    values = data.get(name)
    if not isinstance(values, list) or len(values) != _LISTS[name]:
        raise ModelError("bad_model", reason=f"{name} is no list of {_LISTS[name]} numbers")
    return tuple(number({name: value}, name) for value in values)


def _rate(known: Fitted, given: PutInputs) -> float:
    physical = _physical(given, known.cpu_scale, known.eta, known.log_share)
    seen = features(given, physical, known.cpu_scale)
    scaled = (seen - np.array(known.means)) / np.array(known.scales)
    return physical * math.exp(known.intercept + float(scaled @ np.array(known.weights)))


def _fitted(rows: Sequence[Observation]) -> Fitted:
    actual = np.array([row.rate for row in rows])

    def loss(three: tuple[float, float, float]) -> float:
        ratios = np.log(actual / np.array([_physical(row.inputs, *three) for row in rows]))
        return float(np.median(np.abs(ratios - np.median(ratios))))

    cpu_scale, eta, log_share = min(itertools.product(CPU_SCALES, ETAS, LOG_SHARES), key=loss)
    physical = np.array([_physical(row.inputs, cpu_scale, eta, log_share) for row in rows])
    seen = np.array(
        [features(row.inputs, rate, cpu_scale) for row, rate in zip(rows, physical, strict=True)]
    )
    means, scales = seen.mean(axis=0), seen.std(axis=0)
    scales[scales < 1e-9] = 1.0
    weights, intercept = _ridge((seen - means) / scales, np.log(actual / physical))
    return Fitted(
        cpu_scale=cpu_scale,
        eta=eta,
        log_share=log_share,
        means=tuple(means.tolist()),
        scales=tuple(scales.tolist()),
        weights=tuple(weights.tolist()),
        intercept=intercept,
        lows=tuple(seen[:, :-1].min(axis=0).tolist()),
        highs=tuple(seen[:, :-1].max(axis=0).tolist()),
    )


def _ridge(seen: Vector, left: Vector) -> tuple[Vector, float]:
    """Return weights and intercept; the penalty with the least median error of rows left out."""
    intercept = float(left.mean())
    centred = left - intercept
    best: tuple[float, Vector] | None = None
    for penalty in PENALTIES:
        gram = seen.T @ seen + penalty * np.eye(seen.shape[1])
        projected = np.linalg.solve(gram, seen.T)
        hat = np.einsum("ij,ji->i", seen, projected) + 1.0 / len(left)
        weights = projected @ centred
        outside = (centred - seen @ weights) / np.maximum(1.0 - hat, 1e-6)
        error = float(np.median(np.abs(outside)))
        if best is None or error < best[0]:
            best = (error, weights)
    assert best is not None  # noqa: S101 - there are penalties
    return best[1], intercept
