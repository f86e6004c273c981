"""Paired block bootstrap: both models are scored on the same resampled rows.

Copies of one row are one observation, and shots made one after the other are alike: the same mold,
the same wear, the same shift. So whole blocks of neighbouring groups are drawn, never single rows.
Sources: Efron and Tibshirani 1993, chapters 13 (percentile interval) and 8 (blocks); Künsch 1989
for blocks of neighbours; Cameron, Gelbach and Miller 2008 for how few blocks still do; Hesterberg
2015, "What teachers should know about the bootstrap", section 4.2, for the wider interval that few
blocks ask for.
"""

import math
from collections.abc import Iterator, Sequence
from statistics import NormalDist

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


def interval(values: Floats, level: float, n_blocks: int) -> tuple[float, float]:
    """Return the interval that holds `level` of the finite values; NaN if there are none.

    Parameters
    ----------
    values
        One difference for each resample.
    level
        Confidence, between 0 and 1.
    n_blocks
        So many blocks were drawn. The fewer, the less their own scatter is known, and the further
        out the interval ends; see :func:`expanded`.
    """
    finite = values[np.isfinite(values)]
    if not len(finite):
        return float("nan"), float("nan")
    tail = expanded((1 - level) / 2, n_blocks)
    low, high = np.quantile(finite, [tail, 1 - tail])
    return float(low), float(high)


def expanded(tail: float, n_blocks: int) -> float:
    """Return the share to cut off at each end, so that few blocks are not surer than they can be.

    A percentile interval of n observations is too narrow twice over: it has the scatter of n, not
    n - 1, and the quantile of the normal, not of Student's distribution (Hesterberg 2015).

    Parameters
    ----------
    tail
        Share to cut off if there were many blocks, above 0 and at most 0.5.
    n_blocks
        How many there are; one alone proves nothing, and nothing is cut off.
    """
    if n_blocks < 2:
        return 0.0
    wider = student_quantile(tail, n_blocks - 1) * math.sqrt(n_blocks / (n_blocks - 1))
    return NormalDist().cdf(-wider)


def student_quantile(tail: float, freedom: int) -> float:
    """Return what Student's t with some degrees of freedom exceeds with probability `tail`.

    Hill 1970, "Algorithm 396: Student's t-quantiles", to about three digits; one and two degrees
    exactly.
    """
    n, p = float(freedom), 2 * tail
    if freedom == 1:
        return 1 / math.tan(p * math.pi / 2)
    if freedom == 2:
        return math.sqrt(2 / (p * (2 - p)) - 2)
    a = 1 / (n - 0.5)
    b = 48 / a**2
    c = ((20_700 * a / b - 98) * a - 16) * a + 96.36
    d = ((94.5 / (b + c) - 3) / b + 1) * math.sqrt(a * math.pi / 2) * n
    y = (d * p) ** (2 / n)
    if y <= 0.05 + a:
        y = (
            (1 / (((n + 6) / (n * y) - 0.089 * d - 0.822) * (n + 2) * 3) + 0.5 / (n + 4)) * y - 1
        ) * (n + 1) / (n + 2) + 1 / y
        return math.sqrt(n * y)
    x = NormalDist().inv_cdf(tail)
    y = x * x
    if freedom < 5:
        c += 0.3 * (n - 4.5) * (x + 0.6)
    c += (((0.05 * d * x - 5) * x - 7) * x - 2) * x + b
    y = (((((0.4 * y + 6.3) * y + 36) * y + 94.5) / c - y - 3) / b + 1) * x
    return math.sqrt(n * math.expm1(a * y * y))
