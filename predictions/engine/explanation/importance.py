"""What a version looks at over all: the mean size of each feature's part, over training shots.

Mean absolute Shapley value (Lundberg and others, Nature Machine Intelligence 2 (2020) 56), in
log-odds like the explanations themselves, with the 95 % percentile bootstrap interval over the
shots drawn. It tells what the model uses, not what causes defects.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from portal.lib import seeds
from predictions.engine.explanation.explainer import Explainer
from predictions.engine.rows import row_keys

Matrix = NDArray[np.float32]
Floats = NDArray[np.float64]

#: Shots that are explained; ours: a second or less for every learner.
N_SHOTS = 400
N_DRAWS = 500
PERCENTS = (2.5, 97.5)
UNIT = "log-odds"


@dataclass(frozen=True)
class Weight:
    """What one feature moves on average.

    Attributes
    ----------
    feature : str
    value : float
        Mean absolute contribution in log-odds, at least 0.
    low, high : float
        95 % interval of the mean.
    """

    feature: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class GlobalImportance:
    """The features of a version by what they move.

    Attributes
    ----------
    method : str
        Of the explanations, see `Explainer.method`.
    n_shots : int
        Distinct training shots explained.
    features : tuple of Weight
        The greatest first.
    """

    method: str
    n_shots: int
    features: tuple[Weight, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return everything ready for JSON."""
        return {
            "method": self.method,
            "unit": UNIT,
            "n_shots": self.n_shots,
            "features": [
                {"feature": one.feature, "value": one.value, "low": one.low, "high": one.high}
                for one in self.features
            ],
        }


def global_importance(
    explainer: Explainer,
    matrix: Matrix,
    names: tuple[str, ...],
    *,
    seed: int,
    n_shots: int = N_SHOTS,
    on_shot: Callable[[int], None] = lambda number: None,
) -> GlobalImportance:
    """Explain a sample of training shots and average the sizes of the parts.

    Parameters
    ----------
    explainer : Explainer
    matrix : float32 [n, n_features], n ≥ 1
        Training shots, NaN where missing; copies count once.
    names : tuple of str
        Of the features.
    seed : int
        For which shots are drawn, and for the intervals.
    n_shots : int
        At most so many are explained.
    on_shot : callable
        Told how many are done; what it raises comes out of here.
    """
    rng = seeds.generator(seed)
    distinct = np.unique(row_keys(matrix), return_index=True)[1]
    chosen = np.sort(rng.choice(distinct, size=min(n_shots, len(distinct)), replace=False))
    sizes = np.empty((len(chosen), len(names)))
    for number, row in enumerate(matrix[chosen]):
        sizes[number] = np.abs(explainer.explain(row).values)
        on_shot(number + 1)
    mean = sizes.mean(axis=0)
    low, high = np.percentile(_drawn_means(sizes, rng), PERCENTS, axis=0)
    order = sorted(range(len(names)), key=lambda i: (-mean[i], names[i]))
    features = tuple(
        Weight(names[i], float(mean[i]), float(min(low[i], mean[i])), float(max(high[i], mean[i])))
        for i in order
    )
    return GlobalImportance(explainer.method, len(chosen), features)


def _drawn_means(sizes: Floats, rng: np.random.Generator) -> Floats:
    """Return the means of resamples, float64 [n_draws, n_features]."""
    n = len(sizes)
    drawn: Floats = rng.multinomial(n, np.full(n, 1 / n), size=N_DRAWS) @ sizes / n
    return drawn
