"""In which order steps stand: learned from whole routings, near ones counting more. NumPy only.

Most pairs of operations have one order in a plant. Where both occur (deburring at once or at the
end), trees over the item's attributes say which fits, because it depends on who plans it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictions.engine.routing.book import RoutingBook
from predictions.engine.routing.trees import Forest

#: What all routings together count against the neighbours, whose votes sum to 1: enough to settle
#: what neighbours leave open and no more.
PRIOR = 0.01
#: Pairs in doubt by at least this part of the greatest doubt change sides together.
TOGETHER = 0.5
#: Doubt below which no second order is offered. On the validation items of a draw that no figure is
#: reported of, .005 instead of .02 raised what is right within three from .955 to .957.
LEAST_DOUBT = 0.005


@dataclass(frozen=True)
class OrderBook:
    """How often one step stands before another, and what decides where both orders occur.

    Attributes
    ----------
    before : float32 array, shape [n_steps, n_steps]
        Share of the routings with both in which the first stands before the second; where few have
        both, by where either stands in general (see `learning.order`).
    pairs : int32 array, shape [n_pairs, 2]
        Pairs of steps that occur in both orders.
    trees : Forest
        For each pair the log-odds of the first standing before the second, from the item.
    trust : float
        Part of such a pair's belief that comes from the trees; the rest from the neighbours.
    """

    before: NDArray[np.float32]
    pairs: NDArray[np.int32]
    trees: Forest
    trust: float

    def beliefs(self, design: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the chance of the first standing before the second, shape [n, n_pairs]."""
        return np.asarray(1 / (1 + np.exp(-self.trees.predict(design))))

    def between(
        self,
        book: RoutingBook,
        voters: tuple[NDArray[np.integer], NDArray[np.float64]],
        pair_beliefs: NDArray[np.float64],
        steps: NDArray[np.intp],
    ) -> NDArray[np.float64]:
        """Return for some steps the chance of the row standing before the column.

        Parameters
        ----------
        book : RoutingBook
        voters : tuple of arrays, shape [k]
            Routings of the neighbours and their votes, of sum 1.
        pair_beliefs : float array, shape [n_pairs]
            One line of `beliefs`.
        steps : intp array, shape [m]
            Step numbers.

        Returns
        -------
        float64 array, shape [m, m]
        """
        routings, weights = voters
        places = book.positions[routings][:, steps]
        has = places >= 0
        both = has[:, :, None] & has[:, None, :]
        first = both & (places[:, :, None] < places[:, None, :])
        wins = np.tensordot(weights, first, 1)
        met = np.tensordot(weights, both, 1)
        prior = self.before[np.ix_(steps, steps)].astype(np.float64)
        found = (wins + PRIOR * prior) / (met + PRIOR)
        place = np.full(book.n_steps, -1)
        place[steps] = np.arange(len(steps))
        left, right = place[self.pairs].T.reshape(2, -1)
        known = (left >= 0) & (right >= 0)
        left, right = left[known], right[known]
        mixed = (1 - self.trust) * found[left, right] + self.trust * pair_beliefs[known]
        found[left, right], found[right, left] = mixed, 1 - mixed
        return np.asarray(found)


@dataclass(frozen=True)
class Orders:
    """The likeliest order of some steps, and the next one if there is doubt.

    Attributes
    ----------
    first : list of int
    second : list of int or None
    doubt : float
        Chance of the second against the first, at most one half.
    """

    first: list[int]
    second: list[int] | None
    doubt: float


def orders(before: NDArray[np.float64]) -> Orders:
    """Return the likeliest order and its rival.

    The rival takes the other side in the pair that is most in doubt, and in all pairs nearly as
    doubtful: a step that may stand early or late is in doubt against every step between.
    """
    first = arrange(before)
    m = len(before)
    doubts = np.minimum(before, before.T)
    np.fill_diagonal(doubts, 0.0)
    greatest = float(doubts.max(initial=0.0))
    if m < 2 or greatest < LEAST_DOUBT:
        return Orders(first, None, 0.0)
    second = arrange(np.where(doubts >= TOGETHER * greatest, 1 - before, before))
    return Orders(first, second if second != first else None, min(greatest, 0.5))


def arrange(before: NDArray[np.float64]) -> list[int]:
    """Return an order that agrees with pairwise shares.

    Sorted by how many steps each precedes, then neighbours in the order are exchanged as long as
    that agrees with more of the shares (a local optimum of the Kemeny score).

    Parameters
    ----------
    before : float array, shape [m, m]
        Share in which the row stands before the column.

    Returns
    -------
    list of int
        Positions 0 to m - 1 in order.
    """
    order = [int(step) for step in np.argsort(-before.sum(axis=1), kind="stable")]
    for _ in range(len(order)):
        is_settled = True
        for place in range(len(order) - 1):
            first, second = order[place], order[place + 1]
            if before[first, second] < before[second, first]:
                order[place], order[place + 1] = second, first
                is_settled = False
        if is_settled:
            break
    return order
