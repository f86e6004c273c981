"""Grow the trees that say which steps an item has."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from predictions.engine.routing.encoding import Floats
from predictions.engine.routing.learning.trees import (
    TreeSettings,
    copy_forest,
    grow_classifier,
    one_thread,
)
from predictions.engine.routing.trees import Forest


def grow_beliefs(
    design: Floats,
    presence: NDArray[np.bool_],
    n_categories: int,
    settings: TreeSettings,
    seed: int,
    *,
    after_each: Callable[[], None],
) -> Forest:
    """Return a forest with one output for each step: log-odds of an item having it.

    Parameters
    ----------
    design : float32 array, shape [n, n_columns]
        Items (see `Encoder.design`), categories first.
    presence : bool array, shape [n, n_steps]
        Which steps they have.
    n_categories : int
    settings : TreeSettings
    seed : int
    after_each : callable
        Called after every step's trees, to report progress; may raise to cancel.
    """
    grown = []
    with one_thread():
        for step in range(presence.shape[1]):
            target = presence[:, step]
            grown.append(grow_classifier(design, target, settings, n_categories, seed))
            after_each()
    return copy_forest(grown)
