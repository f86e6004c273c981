"""The detectors as the contract suite sees them: each with quiet and moved values to read."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from monitoring.engine.detectors import COLUMN, JOINT, Fitted
from monitoring.engine.estimate import ExpectedLoss
from monitoring.engine.realized import RealizedLoss
from monitoring.engine.reference import Floats, Rows, column_of

Draw = Callable[[np.random.Generator, int, float], Floats]


def logistic(rng: np.random.Generator, n: int, shift: float) -> Floats:
    """Skewed defect probabilities whose logit is shifted."""
    return np.asarray(1 / (1 + np.exp(-rng.normal(-2.5 + shift, 1.5, n))))


def rows(rng: np.random.Generator, n: int, shift: float) -> Floats:
    """Pairs whose margins stay and whose dependence turns round."""
    first = rng.normal(size=n)
    sign = np.where(rng.random(n) < shift, -1.0, 1.0)
    return np.stack([first, sign * first + rng.normal(0, 0.3, n)], axis=1)


def uncertain(rng: np.random.Generator, n: int, shift: float) -> Floats:
    """Probabilities that become less sure."""
    sure = rng.beta(0.3, 0.9, n)
    return np.asarray(np.where(rng.random(n) < shift, rng.uniform(0.2, 0.6, n), sure))


def labelled(rng: np.random.Generator, n: int, shift: float) -> Floats:
    """Probabilities with labels, some of which are turned round."""
    p = rng.beta(0.3, 0.9, n)
    label = rng.random(n) < p
    return np.stack([p, label ^ (rng.random(n) < shift)], axis=1).astype(float)


@dataclass(frozen=True)
class Member:
    """A detector with what it reads."""

    name: str
    fit: Callable[[Floats], Fitted]
    draw: Draw
    is_ordered: bool = False
    #: How far its values are moved.
    shift: float = 1.0

    def __str__(self) -> str:
        return self.name


def _column(detector: Any) -> Member:
    def fit(values: Floats) -> Fitted:
        fitted: Fitted = detector.fit(column_of(values))
        return fitted

    return Member(detector.name, fit, logistic, detector.is_ordered)


MEMBERS = [
    *(_column(detector) for detector in COLUMN.values()),
    Member("mmd", lambda values: JOINT.fit(Rows(values)), rows),
    Member("estimate", lambda values: ExpectedLoss(column_of(values), 0.5), uncertain),
    Member("realized", lambda values: RealizedLoss(column_of(values[:, 0])), labelled, shift=0.3),
]
