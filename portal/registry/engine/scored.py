"""One version's answers on the rows of a frozen set."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Scored:
    """What one version says about the rows of an evaluation set.

    Attributes
    ----------
    y_true
        Labels, 0 or 1, shape (n,).
    probability
        Predicted probability of class 1, shape (n,), in [0, 1], no NaN.
    group_ids
        Rows that are copies of one another share a number; they are resampled together. Shape (n,).
    threshold
        The version's own decision threshold: a row is called 1 when its probability reaches it.
    learnt
        Rows the version was trained on, shape (n,); None when there are none. They prove nothing
        and are left out of the comparison, whichever of the two versions learnt them.
    slices
        Name of a slicing (product, mold, …) → the part each row belongs to, shape (n,); a row of an
        empty name belongs to none.

    Rows stand in production order: neighbours are alike, and are resampled together.
    """

    y_true: NDArray[np.int_]
    probability: NDArray[np.float64]
    group_ids: NDArray[np.int_]
    threshold: float
    learnt: NDArray[np.bool_] | None = None
    slices: Mapping[str, NDArray[np.str_]] = field(default_factory=dict)

    def at(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> "Scored":
        """Return the answers on some of the rows."""
        return replace(
            self,
            y_true=self.y_true[rows],
            probability=self.probability[rows],
            group_ids=self.group_ids[rows],
            learnt=None if self.learnt is None else self.learnt[rows],
            slices={name: parts[rows] for name, parts in self.slices.items()},
        )
