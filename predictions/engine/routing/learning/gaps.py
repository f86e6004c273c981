"""What trees are grown on: training items whose gaps those that resemble them have filled."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from predictions.engine.routing.book import RoutingBook, group_members
from predictions.engine.routing.decision import CHUNK, ballots, filled_design
from predictions.engine.routing.encoding import Floats
from predictions.engine.routing.similarity import SimilarityIndex


@dataclass
class FilledRows:
    """Training items as the trees read them, each filled when it is first asked for.

    An item's own variants do not vote on it, as none of a new item do.

    Attributes
    ----------
    index : SimilarityIndex
        The training items.
    book : RoutingBook
    sharpness : float
        Of a vote.
    groups : intp array, shape [n]
        Equal for variants of one item.
    design : float32 array, shape [n, n_columns]
        The items as they are (see `Encoder.design`).
    """

    index: SimilarityIndex
    book: RoutingBook
    sharpness: float
    groups: NDArray[np.intp]
    design: Floats
    _known: dict[int, Floats] = field(default_factory=dict)

    def of(self, rows: NDArray[np.intp], after_each: Callable[[], None]) -> Floats:
        """Return some items, shape [n_rows, n_columns + n_numbers].

        Parameters
        ----------
        rows : intp array, shape [n_rows]
        after_each : callable
            Called after every chunk, to report progress; may raise to cancel.
        """
        members = group_members(self.groups)
        new = np.array([row for row in rows if int(row) not in self._known], dtype=np.intp)
        for start in range(0, len(new), CHUNK):
            part = new[start : start + CHUNK]
            items = self.index.items.take(part)
            own = [members[int(self.groups[row])] for row in part]
            found = ballots(self.index, self.book, self.sharpness, items, own)
            lines = filled_design(
                self.index, items, [ballot for _, ballot in found], self.design[part]
            )
            self._known.update(zip(part.tolist(), lines, strict=True))
            after_each()
        return np.array([self._known[int(row)] for row in rows], dtype=np.float32)
