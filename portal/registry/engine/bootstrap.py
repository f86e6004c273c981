"""Paired block bootstrap: both models are scored on the same resampled rows.

Copies of one row are one observation, and shots made one after the other are alike: the same mold,
the same wear, the same shift. So whole blocks of neighbouring groups are drawn, never single rows.
Sources: Efron and Tibshirani 1993, chapters 13 (percentile interval) and 8 (blocks); Künsch 1989
for blocks of neighbours; Cameron, Gelbach and Miller 2008 for how few blocks still do.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypeVar

from portal.registry.engine.metrics import Floats, Metric, Sampled

D = TypeVar("D")

N_BLOCKS = 30
MAX_CELLS = 4_000_000  # ours: weights of one batch of resamples take at most 32 MB


def block_length(n_groups: int) -> int:
    """Return how many neighbouring groups make a block, so that there are about thirty blocks.

    The longer a block, the more of a lot or a shift it holds together; with fewer than some thirty
    of them their own scatter is too uncertain to resample.
    """
    return max(1, n_groups // N_BLOCKS)


def blocks(group_ids: NDArray[np.int_], length: int) -> NDArray[np.intp]:
    """Return the block of each row, from 0, shape (n_rows,).

    Parameters
    ----------
    group_ids
        Rows that are copies share a number; rows in production order, shape (n_rows,).
    length
        So many groups that follow one another, by their first row, make a block; copies that come
        later belong to the block of the first.
    """
    _names, first, groups = np.unique(group_ids, return_index=True, return_inverse=True)
    place = np.empty(len(first), dtype=np.intp)
    place[np.argsort(first, kind="stable")] = np.arange(len(first))
    found: NDArray[np.intp] = place[groups] // length
    return found


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
    candidate: Sampled[D],
    champion: Sampled[D],
    metrics: Sequence[Metric[D]],
    block_ids: NDArray[np.intp],
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
    block_ids
        Rows that are drawn together share a number, shape (n_rows,); see :func:`blocks`.
    n_resamples
        How many resamples.
    rng
        The generator that draws.
    """
    names, groups = np.unique(block_ids, return_inverse=True)
    parts: dict[str, list[Floats]] = {metric.name: [] for metric in metrics}
    for weights in resamples(groups, n_groups=len(names), n_resamples=n_resamples, rng=rng):
        one, other = candidate.drawn(weights), champion.drawn(weights)
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
