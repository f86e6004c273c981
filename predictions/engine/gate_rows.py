"""What a gate is given of a frozen set, and which shots a retraining freezes for it.

A retraining is judged on shots made later than all it learnt from, as it will be in use: the latest
part of a table is its window, and nothing of the window is learnt. A champion may have learnt some
of these shots at another time; every version keeps the keys of the shots it learnt, so that the
gate can leave them out.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictions.engine.basis import SLICE_METADATA
from predictions.engine.features import FEATURE_NAMES
from predictions.engine.rows import Keys, first_of_copies, group_numbers, row_keys
from predictions.engine.tables import ShotTable

#: Share of a table that is its window, and the most rows of it. Ours: what the gate can tell on it
#: stands in docs/performance.md; the larger, the older is what a model learns.
WINDOW_SHARE = 0.2
MAX_WINDOW_ROWS = 10_000
_KEY_TYPE = np.dtype("<u8")


@dataclass(frozen=True, eq=False)
class FrozenRows:
    """The distinct shots of a frozen set, in production order.

    Attributes
    ----------
    matrix : float32 array, shape [n, 30]
    labels : bool array, shape [n]
    groups : int array, shape [n]
        Shots equal but for the counter share a number.
    keys : uint64 array, shape [n]
        As `rows.row_keys`.
    slices : dict of str to str array, each of shape [n]
        Product, and mold and shift where known.
    """

    matrix: NDArray[np.float32]
    labels: NDArray[np.bool_]
    groups: NDArray[np.intp]
    keys: Keys
    slices: Mapping[str, NDArray[np.str_]]


def frozen_rows(table: ShotTable) -> FrozenRows:
    """Return what a gate compares on.

    Raises
    ------
    ValueError
        If the table is not labelled.
    """
    labels = table.labels()
    if labels is None:
        raise ValueError("The evaluation set has no complete label.")
    matrix = table.matrix()
    kept = np.flatnonzero(first_of_copies(matrix, labels))
    matrix = matrix[kept]
    slices = {FEATURE_NAMES[0]: np.array([f"{value:g}" for value in matrix[:, 0]], dtype=np.str_)}
    for name in SLICE_METADATA:
        values = table.metadata(name)
        if values is not None:
            slices[name] = np.array([values[row] or "" for row in kept], dtype=np.str_)
    return FrozenRows(matrix, labels[kept], group_numbers(matrix), row_keys(matrix), slices)


def window(n_rows: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the positions before the window and those in it, of a table in production order."""
    size = min(int(n_rows * WINDOW_SHARE), MAX_WINDOW_ROWS)
    return np.arange(n_rows - size), np.arange(n_rows - size, n_rows)


def learnt_keys(table: ShotTable, apart: ShotTable | None = None) -> bytes:
    """Return the keys of the shots a version learns, as it keeps them.

    Parameters
    ----------
    table : ShotTable
        What it is trained on.
    apart : ShotTable, optional
        Shots whose like were left out of the training.
    """
    keys = np.unique(row_keys(table.matrix()))
    if apart is not None:
        keys = keys[~np.isin(keys, row_keys(apart.matrix()))]
    return bytes(keys.astype(_KEY_TYPE).tobytes())


def read_keys(data: bytes) -> Keys:
    """Return keys written by `learnt_keys`."""
    return np.frombuffer(data, dtype=_KEY_TYPE).astype(np.uint64)
