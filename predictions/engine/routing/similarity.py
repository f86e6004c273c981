"""Weighted similarity of items, exact nearest items, and what every field adds. NumPy only.

Similarity is a weighted mean of comparisons, each between 0 and 1 (after Gower, Biometrics 27,
1971): equality of a category; nearness, equal learned interval and equal presence of a number;
cosine of a text. The weights are learned (see `learning.weights`). Because it is a sum over fields,
what each field adds to a match is known exactly, which a cosine over one long vector hides.

Where either value is missing a comparison counts one half: a gap neither speaks for a match nor
against it. Only the presence of a number is compared even so, because a part without a bore has no
inner diameter.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from predictions.engine.routing.encoding import (
    MISSING,
    NO_INTERVAL,
    NUMBER_FIELDS,
    Encoded,
    Floats,
)
from predictions.engine.routing.schema import CATEGORIES, TEXTS

#: Distance on the scaled axis (interquartile ranges) at which two numbers no longer resemble.
REACH = 0.5
NEUTRAL = 0.5
#: Stands for a missing number in the search: farther than `REACH` from any scaled one.
FAR = 1e6
_N_CATEGORIES, _N_NUMBERS, _N_TEXTS = len(CATEGORIES), len(NUMBER_FIELDS), len(TEXTS)
_NEAR = _N_CATEGORIES
_SAME = _NEAR + _N_NUMBERS
_PRESENT = _SAME + _N_NUMBERS
_TEXT = _PRESENT + _N_NUMBERS
N_COMPARISONS = _TEXT + _N_TEXTS
#: Field behind every comparison, in the order of the weights.
COMPARED: tuple[str, ...] = (
    *CATEGORIES, *NUMBER_FIELDS, *NUMBER_FIELDS, *NUMBER_FIELDS, *TEXTS,
)  # fmt: skip
FIELDS: tuple[str, ...] = (*CATEGORIES, *NUMBER_FIELDS, *TEXTS)
#: Weights that count every field alike, and every comparison of a field.
PLAIN: Floats = np.array(
    [1 / (len(FIELDS) * COMPARED.count(field)) for field in COMPARED], dtype=np.float32
)


def compare(left: Encoded, right: Encoded) -> Floats:
    """Return every comparison of items that stand opposite each other.

    Parameters
    ----------
    left, right : Encoded
        Of equal length, or one of them of length 1.

    Returns
    -------
    float32 array, shape [n, N_COMPARISONS]
        Between 0 and 1.
    """
    n = max(len(left), len(right))
    out = np.empty((n, N_COMPARISONS), dtype=np.float32)
    unknown = (left.codes == MISSING) | (right.codes == MISSING)
    # Two values training never saw have the same code but need not be the same.
    equal = (left.codes == right.codes) & (left.codes >= 0)
    out[:, :_NEAR] = np.where(unknown, NEUTRAL, equal)
    distance = np.abs(left.numbers - right.numbers) / REACH
    missing = np.isnan(distance)
    out[:, _NEAR:_SAME] = np.where(missing, NEUTRAL, 1 - np.minimum(distance, 1))
    same = left.intervals == right.intervals
    out[:, _SAME:_PRESENT] = np.where(missing, NEUTRAL, same)
    out[:, _PRESENT:_TEXT] = np.isnan(left.numbers) == np.isnan(right.numbers)
    for field, (ours, theirs) in enumerate(zip(left.texts, right.texts, strict=True)):
        out[:, _TEXT + field] = _cosine(ours, theirs)
    return out


def _cosine(left: Floats, right: Floats) -> Floats:
    """Return cosines cut at 0, `NEUTRAL` where either text is empty."""
    cosine = np.maximum((left * right).sum(axis=1), 0)
    is_empty = ~(left.any(axis=1) & right.any(axis=1))
    return np.asarray(np.where(is_empty, NEUTRAL, cosine), dtype=np.float32)


def by_field(contributions: Floats) -> Floats:
    """Sum weighted comparisons [n, N_COMPARISONS] to fields [n, n_fields], order of `FIELDS`."""
    numbers = (
        contributions[:, _NEAR:_SAME]
        + contributions[:, _SAME:_PRESENT]
        + contributions[:, _PRESENT:_TEXT]
    )
    return np.concatenate(
        [contributions[:, :_NEAR], numbers, contributions[:, _TEXT:]], axis=1
    ).astype(np.float32)


@dataclass(frozen=True)
class Neighbours:
    """The nearest items, best first.

    Attributes
    ----------
    rows : intp array, shape [k]
        Positions in the index.
    similarity : float64 array, shape [k]
        Between 0 and 1.
    """

    rows: NDArray[np.intp]
    similarity: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class SimilarityIndex:
    """Training items with weights, searched exactly.

    Attributes
    ----------
    items : Encoded
        The items.
    weights : float32 array, shape [N_COMPARISONS]
        Not negative, of sum 1.
    """

    items: Encoded
    weights: Floats

    def __len__(self) -> int:
        return len(self.items)

    def search(self, query: Encoded, k: int) -> Neighbours:
        """Return the k most similar items to one item (see `nearest`)."""
        return self.nearest(self.similarity(query), k)

    def nearest(self, similarity: Floats, k: int) -> Neighbours:
        """Return the k most similar items, best first; ties by position, negative ones never.

        Parameters
        ----------
        similarity : float32 array, shape [n]
            To every item; negative for those that must not be returned.
        k : int
            How many, at most as many as there are.
        """
        k = min(k, len(similarity))
        # Ties at the k-th place are settled by position too, so take all of them before sorting.
        least = np.partition(similarity, len(similarity) - k)[len(similarity) - k]
        tied = np.flatnonzero(similarity >= max(least, 0))
        rows = tied[np.lexsort((tied, -similarity[tied]))][:k]
        return Neighbours(rows, np.minimum(similarity[rows].astype(np.float64), 1.0))

    def similarity(self, query: Encoded) -> Floats:
        """Return the similarity of one item to every item, shape [n].

        A table per field turns codes into what they add, so that one pass over small integers
        replaces comparing; only nearness of numbers and texts need arithmetic. Every pass writes
        into one buffer.
        """
        total = np.zeros(len(self), dtype=np.float32)
        part = np.empty(len(self), dtype=np.float32)
        for codes, table in self._tables(query):
            # "clip" never clips here: every code has its place; it only skips a check.
            total += np.take(table, codes, out=part, mode="clip")
        for field, numbers in enumerate(self._numbers):
            weight = self.weights[_NEAR + field]
            value = query.numbers[0, field]
            if weight > 0 and not np.isnan(value):
                np.subtract(numbers, value, out=part)
                np.abs(part, out=part)
                part *= -weight / np.float32(REACH)
                part += weight
                total += np.maximum(part, 0, out=part)
        for field, text in enumerate(self._texts):
            weight = self.weights[_TEXT + field]
            if weight > 0:
                total += weight * _text_cosine(text, query.texts[field][0], self._no_text[field])
        return total

    def contributions(self, query: Encoded, rows: NDArray[np.intp]) -> Floats:
        """Return what each field adds to the similarity of some rows, shape [n, n_fields]."""
        return by_field(compare(self.items.take(rows), query) * self.weights)

    @cached_property
    def field_weights(self) -> Floats:
        """What each field adds at most, shape [n_fields], order of `FIELDS`."""
        return np.asarray(by_field(self.weights[None])[0])

    def _tables(self, query: Encoded) -> Iterator[tuple[NDArray[np.uint8 | np.uint16], Floats]]:
        """Yield for every category and number the codes and what each code adds."""
        for field, codes in enumerate(self._codes):
            weight = self.weights[field]
            if weight > 0:
                table = np.zeros(int(codes.max()) + 1, dtype=np.float32)
                yield codes, _category_table(table, int(query.codes[0, field]), weight)
        for field, intervals in enumerate(self._intervals):
            near, same, present = (
                float(self.weights[start + field]) for start in (_NEAR, _SAME, _PRESENT)
            )
            if near + same + present > 0:
                yield intervals, _number_table(int(query.intervals[0, field]), near, same, present)

    @cached_property
    def _codes(self) -> tuple[NDArray[np.uint16], ...]:
        """Codes shifted so that `UNSEEN` is 0 and `MISSING` 1, one contiguous array a field."""
        return tuple(
            np.ascontiguousarray(column + 2).astype(np.uint16) for column in self.items.codes.T
        )

    @cached_property
    def _intervals(self) -> tuple[NDArray[np.uint8], ...]:
        return tuple(np.ascontiguousarray(column) for column in self.items.intervals.T)

    @cached_property
    def _numbers(self) -> tuple[Floats, ...]:
        """Scaled numbers; a missing one is out of everybody's reach (see `_number_table`)."""
        return tuple(
            np.nan_to_num(np.ascontiguousarray(column), nan=FAR) for column in self.items.numbers.T
        )

    @cached_property
    def _texts(self) -> tuple[Floats, ...]:
        return tuple(np.ascontiguousarray(text) for text in self.items.texts)

    @cached_property
    def _no_text(self) -> tuple[NDArray[np.bool_], ...]:
        return tuple(~np.asarray(text.any(axis=1)) for text in self.items.texts)


def _category_table(table: Floats, code: int, weight: np.float32) -> Floats:
    if code == MISSING:
        table[:] = NEUTRAL * weight
        return table
    if len(table) > 1:
        table[1] = NEUTRAL * weight
    if 0 <= code < len(table) - 2:
        table[code + 2] = weight
    return table


def _number_table(interval: int, near: float, same: float, present: float) -> Floats:
    """Return what each interval adds: equal interval, presence, and nearness where it is neutral.

    Nearness itself depends on the number; only where one is missing it is `NEUTRAL` throughout.
    """
    table = np.zeros(256, dtype=np.float32)
    if interval == NO_INTERVAL:
        table[:] = NEUTRAL * (near + same)
        table[NO_INTERVAL] += present
        return table
    table[:NO_INTERVAL] = present
    table[interval] += same
    table[NO_INTERVAL] = NEUTRAL * (near + same)
    return table


def _text_cosine(texts: Floats, query: Floats, is_empty: NDArray[np.bool_]) -> Floats:
    if not query.any():
        return np.full(len(texts), NEUTRAL, dtype=np.float32)
    cosine = texts @ query
    np.maximum(cosine, 0, out=cosine)
    cosine[is_empty] = NEUTRAL
    return cosine
