"""Identify shots by their values: copies, and groups of shots no test may tear apart."""

import numpy as np
from numpy.typing import NDArray

from predictions.engine.features import COUNTER_INDICES

_SEED = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)

Keys = NDArray[np.uint64]


def row_keys(matrix: NDArray[np.float32], *, with_counters: bool = False) -> Keys:
    """Return a 64-bit key per shot: equal values give equal keys.

    Parameters
    ----------
    matrix : float32 array, shape [n, 30]
        NaN equals NaN, -0 equals 0.
    with_counters : bool
        Whether the shot counter counts as a value. Without it (the default) the same shot under
        another number keeps its key.

    Returns
    -------
    uint64 array, shape [n]
        Keys mixed with splitmix64 (Steele, Lea and Flood 2014). Two different shots among a million
        share one with a chance of about 3e-8.
    """
    bits = np.ascontiguousarray(matrix, dtype=np.float32) + np.float32(0)
    bits[np.isnan(bits)] = np.nan
    words = bits.view(np.uint32).astype(np.uint64)
    keys = np.full(len(words), _SEED, dtype=np.uint64)
    for index in range(words.shape[1]):
        if with_counters or index not in COUNTER_INDICES:
            keys = _mixed(keys ^ words[:, index])
    return keys


def _mixed(values: Keys) -> Keys:
    values = values + _SEED
    values = (values ^ (values >> np.uint64(30))) * _MIX_1
    values = (values ^ (values >> np.uint64(27))) * _MIX_2
    mixed: Keys = values ^ (values >> np.uint64(31))
    return mixed


def first_of_copies(
    matrix: NDArray[np.float32], labels: NDArray[np.bool_] | None
) -> NDArray[np.bool_]:
    """Return which shots are not a copy of an earlier one, bool [n].

    A copy has all values, the shot counter and the label in common with an earlier row.
    """
    keys = row_keys(matrix, with_counters=True)
    if labels is not None:
        keys = _mixed(keys ^ labels.astype(np.uint64))
    _, first = np.unique(keys, return_index=True)
    is_first = np.zeros(len(keys), dtype=bool)
    is_first[first] = True
    return is_first


def group_numbers(matrix: NDArray[np.float32]) -> NDArray[np.intp]:
    """Return group numbers from 0, shape [n]; shots equal but for the counter share one."""
    _, numbers = np.unique(row_keys(matrix), return_inverse=True)
    return numbers


def equals_previous(matrix: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which cells equal the cell above, bool [n, 30]; the first row never does."""
    same = np.zeros(matrix.shape, dtype=bool)
    now, before = matrix[1:], matrix[:-1]
    same[1:] = (now == before) | (np.isnan(now) & np.isnan(before))
    return same
