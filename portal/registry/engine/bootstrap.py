"""Paired bootstrap by group: both models are scored on the same resampled rows.

Copies of one row are one observation, so whole groups are drawn, never single rows. Source: Efron
and Tibshirani 1993, chapters 13 (percentile interval) and 8 (blocks).
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from portal.registry.engine.metrics import Drawn, Floats, Metric, Sample

MAX_CELLS = 4_000_000  # ours: weights of one batch of resamples take at most 32 MB


def resamples(
    groups: NDArray[np.intp], *, n_groups: int, n_resamples: int, rng: np.random.Generator
) -> Iterator[Floats]:
    """Yield batches of row weights, shape (n_rows, batch): how often each row's group was drawn.

    Parameters
    ----------
    groups
        The group of each row, 0 to n_groups - 1, shape (n_rows,).
    n_groups
        How many groups there are; as many are drawn for each resample, with replacement.
    n_resamples
        How many resamples in all.
    rng
        The generator that draws.
    """
    batch = max(1, min(n_resamples, MAX_CELLS // len(groups)))
    for start in range(0, n_resamples, batch):
        size = min(batch, n_resamples - start)
        drawn = rng.integers(0, n_groups, size=(size, n_groups))
        drawn += n_groups * np.arange(size)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=size * n_groups)
        yield counts.reshape(size, n_groups).T.astype(float)[groups]


def paired_differences(
    candidate: Sample,
    champion: Sample,
    metrics: Sequence[Metric],
    group_ids: NDArray[np.int_],
    *,
    n_resamples: int,
    rng: np.random.Generator,
) -> dict[str, Floats]:
    """Return candidate minus champion for every metric and resample.

    NaN where a resample leaves the metric undefined, as when it holds one class only.

    Parameters
    ----------
    candidate, champion
        Two models' answers on the same rows.
    metrics
        What to compare.
    group_ids
        Rows that belong together share a number, shape (n_rows,).
    n_resamples
        How many resamples.
    rng
        The generator that draws.
    """
    names, groups = np.unique(group_ids, return_inverse=True)
    parts: dict[str, list[Floats]] = {metric.name: [] for metric in metrics}
    for weights in resamples(groups, n_groups=len(names), n_resamples=n_resamples, rng=rng):
        one, other = Drawn(candidate, weights), Drawn(champion, weights)
        for metric in metrics:
            parts[metric.name].append(metric.function(one) - metric.function(other))
    return {name: np.concatenate(pieces) for name, pieces in parts.items()}


def interval(values: Floats, level: float) -> tuple[float, float]:
    """Return the percentile interval with `level` of the finite values; NaN if there are none."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return float("nan"), float("nan")
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
