"""Choose the shots that no version of the family ever trains on.

The choice is a function of a shot's own values: the same shot is held out in every data set,
whoever imports it and whenever, and copies of it go with it. So a frozen evaluation set made from
one data set is unseen by versions trained on any other.
"""

import numpy as np
from numpy.typing import NDArray

from predictions.engine.rows import row_keys
from predictions.engine.tables import ShotTable

#: One key in five, about 20 % of distinct shots. Changing it lets versions train on rows that older
#: evaluation sets hold: never change it.
MODULUS = np.uint64(5)


def is_held_out(matrix: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which shots are held out.

    Parameters
    ----------
    matrix : float32 array, shape [n, 30]
        NaN where missing. The shot counter does not count: the same shot under another number is
        the same.

    Returns
    -------
    bool array, shape [n]
    """
    held: NDArray[np.bool_] = row_keys(matrix) % MODULUS == 0
    return held


def divide(table: ShotTable) -> tuple[ShotTable, ShotTable]:
    """Return the shots to train on and the shots held out, each in production order."""
    held = is_held_out(table.matrix())
    return table.take(np.flatnonzero(~held)), table.take(np.flatnonzero(held))
