"""Items as vectors: categories as codes, numbers scaled, texts projected. NumPy only.

A vector has one block for every field:

- category: one-hot, kept as the index of the one (equal codes = inner product 1);
- number: robustly scaled (median, interquartile range), on a logarithmic scale where its values
  span a decade, with NaN as missing indicator, and the learned interval it falls into;
- text: character n-grams weighted by rarity, projected on the main directions of the training
  texts, unit length.

What is learned (values, medians, intervals, directions) comes from training items only.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictions.engine.routing.ngrams import ngrams
from predictions.engine.routing.schema import CATEGORIES, DATES, NUMBERS, TEXTS
from predictions.engine.routing.specification import Column, filled

Floats = NDArray[np.float32]
Columns = Mapping[str, Column]

#: Codes of a category that is empty, or has a value training never saw.
MISSING = -1
UNSEEN = -2
#: Interval of a number that is empty.
NO_INTERVAL = 255
#: Scaled numbers are cut here: beyond, a value is wrong or another world.
CLIP = 5.0
#: Category values a tree can tell apart: the most frequent ones; one bit each (see `trees`).
MAX_CODES = 64
#: Directions of each text that trees see. Over three splits of a draw that no figure is reported
#: of, six added 0.1 to 0.3 points of exact sets to trees without text.
TEXT_COLUMNS = 6
#: Quantities every machinist derives from a drawing; they are numbers like the others.
DERIVED = ("slenderness", "wall_mm", "surface_mm2", "volume_mm3")
NUMBER_FIELDS: tuple[str, ...] = (*NUMBERS, *DATES, *DERIVED)


@dataclass(frozen=True)
class NumberScale:
    """How one number is scaled: logarithm first if its values span a decade."""

    is_log: bool
    median: float
    spread: float

    def apply(self, values: Floats) -> Floats:
        """Return scaled values cut at ±`CLIP`; NaN stays."""
        with np.errstate(invalid="ignore"):
            raw = np.log1p(np.maximum(values, 0)) if self.is_log else values
        return np.clip((raw - self.median) / self.spread, -CLIP, CLIP).astype(np.float32)


@dataclass(frozen=True)
class TextSpace:
    """Projection of n-gram counts on the main directions of the training texts.

    Attributes
    ----------
    index : mapping
        n-gram → row of `projection`.
    projection : float32 array, shape [n_ngrams, n_dims]
        Rarity weight times direction.
    """

    index: Mapping[str, int]
    projection: Floats

    def apply(self, texts: Column) -> Floats:
        """Return unit vectors, shape [n, n_dims]; zeros for empty or wholly unknown texts."""
        vectors = np.zeros((len(texts), self.projection.shape[1]), dtype=np.float32)
        for row, text in enumerate(texts):
            known = [self.index[gram] for gram in ngrams(text or "") if gram in self.index]
            if known:
                vectors[row] = self.projection[known].sum(axis=0)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.where(lengths > 1e-9, lengths, 1.0), dtype=np.float32)


@dataclass(frozen=True)
class Encoded:
    """Items as arrays.

    Attributes
    ----------
    codes : int16 array, shape [n, n_categories]
        `MISSING` and `UNSEEN` are negative.
    raw : float32 array, shape [n, n_numbers]
        Numbers in their units, NaN where missing; order of `NUMBER_FIELDS`.
    numbers : float32 array, shape [n, n_numbers]
        The same, scaled.
    intervals : uint8 array, shape [n, n_numbers]
        `NO_INTERVAL` where missing.
    texts : tuple of float32 arrays, shape [n, n_dims]
        One for every text field; a row of zeros where missing.
    """

    codes: NDArray[np.int16]
    raw: Floats
    numbers: Floats
    intervals: NDArray[np.uint8]
    texts: tuple[Floats, ...]

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows: NDArray[np.intp] | slice) -> "Encoded":
        """Return some of the items."""
        return Encoded(
            self.codes[rows],
            self.raw[rows],
            self.numbers[rows],
            self.intervals[rows],
            tuple(text[rows] for text in self.texts),
        )


@dataclass(frozen=True)
class Encoder:
    """Turns columns of items into arrays, by what was learned from training items.

    Attributes
    ----------
    values : tuple of tuples of str
        For every category its values in training, in order of their codes.
    scales : tuple of NumberScale
        For every number.
    cuts : tuple of float32 arrays
        For every number where its learned intervals end, on the scaled axis.
    spaces : tuple of TextSpace
        For every text.
    """

    values: tuple[tuple[str, ...], ...]
    scales: tuple[NumberScale, ...]
    cuts: tuple[Floats, ...]
    spaces: tuple[TextSpace, ...]

    def encode(self, columns: Columns) -> Encoded:
        """Return arrays for items given as columns (see `tables.ItemTable.columns`)."""
        codes = np.column_stack(
            [
                _codes(columns[name], values)
                for name, values in zip(CATEGORIES, self.values, strict=True)
            ]
        )
        texts = tuple(
            space.apply(columns[name]) for name, space in zip(TEXTS, self.spaces, strict=True)
        )
        return self.encoded(codes, raw_numbers(columns), texts)

    def encoded(self, codes: NDArray[np.int16], raw: Floats, texts: tuple[Floats, ...]) -> Encoded:
        """Return items from what a stored model keeps of them."""
        numbers = np.column_stack(
            [scale.apply(raw[:, field]) for field, scale in enumerate(self.scales)]
        )
        return Encoded(codes, raw, numbers, self._intervals(numbers), texts)

    def _intervals(self, numbers: Floats) -> NDArray[np.uint8]:
        found = np.column_stack(
            [
                np.searchsorted(cuts, numbers[:, field], side="right")
                for field, cuts in enumerate(self.cuts)
            ]
        ).astype(np.uint8)
        found[np.isnan(numbers)] = NO_INTERVAL
        return found

    def design(self, encoded: Encoded) -> Floats:
        """Return one matrix for tree models; shape [n, n_columns].

        Categories first as codes (NaN where missing, unseen or beyond `MAX_CODES`), then numbers
        (NaN where missing), then the first `TEXT_COLUMNS` directions of every text.
        """
        codes = encoded.codes.astype(np.float32)
        codes[(codes < 0) | (codes >= MAX_CODES)] = np.nan
        texts = [text[:, :TEXT_COLUMNS] for text in encoded.texts]
        return np.concatenate([codes, encoded.numbers, *texts], axis=1)


def raw_numbers(columns: Columns) -> Floats:
    """Return numbers, dates and `DERIVED` quantities in their units, NaN where unknown.

    Numbers missing in their own column are taken from the specification line.

    Returns
    -------
    float32 array, shape [n, n_numbers]
        In the order of `NUMBER_FIELDS`.
    """
    complete = filled(columns)
    raw = {name: complete[name].astype(np.float64) for name in (*NUMBERS, *DATES)}
    outer, inner = raw["outer_diameter_mm"], raw["inner_diameter_mm"]
    length, width = raw["length_mm"], raw["width_mm"]
    thickness = raw["thickness_mm"]
    across = np.where(np.isnan(width), outer, width)
    high = np.where(np.isnan(thickness), outer, thickness)
    with np.errstate(divide="ignore", invalid="ignore"):
        raw["slenderness"] = np.where(outer > 0, length / outer, np.nan)
    raw["wall_mm"] = np.maximum(outer - inner, 0) / 2
    raw["surface_mm2"] = length * across
    raw["volume_mm3"] = length * across * high
    return np.column_stack([raw[name] for name in NUMBER_FIELDS]).astype(np.float32)


def _codes(column: Column, values: tuple[str, ...]) -> NDArray[np.int16]:
    index = {value: code for code, value in enumerate(values)}
    return np.array(
        [MISSING if value is None else index.get(value, UNSEEN) for value in column],
        dtype=np.int16,
    )
