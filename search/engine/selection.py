"""Which rows a search may return, in the forms that the two legs read."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Selection:
    """A set of rows.

    Attributes
    ----------
    bitmap : uint8 [ceil(n / 8)]
        One bit a row, lowest bit first.
    count, total : int
        Selected rows and all rows.
    tags : tuple of tuple of str
        Tags in the lexical index that every selected row has: one of each group.
    is_exact_in_tags : bool
        Whether those tags alone say which rows are selected.
    """

    bitmap: NDArray[np.uint8]
    count: int
    total: int
    tags: tuple[tuple[str, ...], ...] = ()
    is_exact_in_tags: bool = False

    @classmethod
    def of_rows(
        cls, rows: NDArray[np.int64], total: int, tags: tuple[tuple[str, ...], ...], *, exact: bool
    ) -> Self:
        """Return the selection of some rows."""
        mask = np.zeros(total, dtype=bool)
        mask[rows] = True
        bitmap = np.packbits(mask, bitorder="little")
        return cls(bitmap, int(mask.sum()), total, tags, is_exact_in_tags=exact)

    @property
    def share(self) -> float:
        """Selectivity: share of the rows that are selected."""
        return self.count / self.total if self.total else 0.0

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """The selected rows in ascending order."""
        mask = np.unpackbits(self.bitmap, count=self.total, bitorder="little")
        return np.flatnonzero(mask)

    def contains(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which of some rows are selected."""
        bits = self.bitmap[rows >> 3] >> (rows & 7).astype(np.uint8)
        return np.asarray(bits & 1, dtype=bool)

    def without(self, removed: NDArray[np.uint8]) -> "Selection":
        """Return the selection less the rows of another bitmap."""
        bitmap = self.bitmap & ~removed
        count = int(np.bitwise_count(bitmap).sum())
        if count == self.count:
            return self
        return Selection(bitmap, count, self.total, self.tags, is_exact_in_tags=False)


def everything(total: int) -> Selection:
    """Return the selection of all rows."""
    bitmap = np.packbits(np.ones(total, dtype=bool), bitorder="little")
    return Selection(bitmap, total, total)


def bitmap_of(rows: Sequence[NDArray[np.int64]], total: int) -> NDArray[np.uint8] | None:
    """Return one bit for each of some rows, lowest first, or None when there is none."""
    mask = np.zeros(total, dtype=bool)
    for some in rows:
        mask[some] = True
    return np.packbits(mask, bitorder="little") if mask.any() else None


def n_bits(bitmap: NDArray[np.uint8] | None) -> int:
    """Return how many rows a bitmap names."""
    return 0 if bitmap is None else int(np.bitwise_count(bitmap).sum())


def has(bitmap: NDArray[np.uint8] | None, row: int) -> bool:
    """Return whether a bitmap names a row."""
    return bitmap is not None and bool(bitmap[row >> 3] >> (row & 7) & 1)
