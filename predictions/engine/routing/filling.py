"""What stands in an item's empty cells, by the items that resemble it. NumPy only.

A tree that meets a gap takes one way for all items with that gap. Items of one product line share
material, treatment and customer, so those that resemble an item elsewhere say what the gap most
likely holds. Only the trees read what is filled in, similarity never does; an answer says what was
assumed.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from predictions.engine.routing.encoding import MAX_CODES, Encoded, Floats

Places: TypeAlias = NDArray[np.intp]
Weights: TypeAlias = NDArray[np.float64]

#: A number is filled in if voters with more than this of the votes have one: an empty cell also
#: stands for "none", such as the bore of a solid part.
LEAST_WEIGHT = 0.5


@dataclass(frozen=True)
class Filled:
    """Items whose gaps the voters filled as far as they could.

    Attributes
    ----------
    codes : int16 array, shape [n, n_categories]
        Negative where no voter has a value.
    numbers : float32 array, shape [n, n_numbers]
        Scaled; NaN where most voters have none.
    """

    codes: NDArray[np.int16]
    numbers: Floats

    @classmethod
    def of(cls, items: Encoded) -> "Filled":
        """Return the items with their gaps, to be filled one by one."""
        return cls(items.codes.copy(), items.numbers.copy())

    def fill(self, row: int, known: Encoded, rows: Places, weights: Weights) -> None:
        """Fill the gaps of one item.

        Parameters
        ----------
        row : int
            The item.
        known : Encoded
            The items of the index.
        rows : intp array, shape [k]
            Those that vote.
        weights : float64 array, shape [k]
            Their votes, of sum 1.
        """
        for field in np.flatnonzero(self.codes[row] < 0):
            self.codes[row, field] = _most_voted(known.codes[rows, field], weights)
        for field in np.flatnonzero(np.isnan(self.numbers[row])):
            self.numbers[row, field] = middle(known.numbers[rows, field], weights)

    def design(self, plain: Floats) -> Floats:
        """Return the matrix for trees that read filled items, shape [n, n_columns + n_numbers].

        Parameters
        ----------
        plain : float32 array, shape [n, n_columns]
            The items as they are (see `Encoder.design`); their categories are replaced, their
            numbers stay and the filled ones stand behind all other columns.
        """
        codes = self.codes.astype(np.float32)
        codes[(codes < 0) | (codes >= MAX_CODES)] = np.nan
        return np.concatenate([codes, plain[:, codes.shape[1] :], self.numbers], axis=1)


def _most_voted(codes: NDArray[np.int16], weights: Weights) -> int:
    """Return the code with the most votes; -1 if no voter has a value."""
    has = codes >= 0
    return int(np.bincount(codes[has], weights[has]).argmax()) if has.any() else -1


def middle(numbers: Floats, weights: Weights) -> float:
    """Return the weighted median of the voters' numbers; NaN if too few votes have one."""
    has = ~np.isnan(numbers)
    if weights[has].sum() <= LEAST_WEIGHT:
        return float("nan")
    order = np.argsort(numbers[has], kind="stable")
    reached = np.cumsum(weights[has][order])
    return float(numbers[has][order][np.searchsorted(reached, reached[-1] / 2)])
