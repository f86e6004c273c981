"""Learn how items become vectors: values, scales, text directions and intervals of numbers."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.decomposition import TruncatedSVD
from sklearn.tree import DecisionTreeRegressor

from predictions.engine.routing.encoding import (
    Columns,
    Encoder,
    Floats,
    NumberScale,
    TextSpace,
    raw_numbers,
)
from predictions.engine.routing.ngrams import ngrams
from predictions.engine.routing.schema import CATEGORIES, TEXTS
from predictions.engine.routing.specification import Column

N_NGRAMS = 4_000
#: Directions kept of every text.
N_DIRECTIONS = {"item_name": 24, "specification": 16}
#: Intervals of one number, and the least share of items in one.
N_INTERVALS = 12
LEAST_SHARE = 0.01
#: Items from which text directions and intervals are learned; the rest changes neither.
SAMPLE_ROWS = 20_000


def fit_encoder(columns: Columns, presence: NDArray[np.bool_], seed: int) -> Encoder:
    """Learn an encoder from training items.

    Parameters
    ----------
    columns : mapping
        Training items (see `tables.ItemTable.columns`).
    presence : bool array, shape [n, n_operations]
        Which operations each item has; the intervals of numbers are cut where these change.
    seed : int
        For the text projection and the sample.

    Returns
    -------
    Encoder
    """
    rng = np.random.default_rng(seed)
    raw = raw_numbers(columns)
    scales = tuple(_scale(column) for column in raw.T)
    counts = [Counter(value for value in columns[name] if value is not None) for name in CATEGORIES]
    rows = _sample(len(presence), rng)
    spaces = tuple(_text_space(columns[name][rows], N_DIRECTIONS[name], seed) for name in TEXTS)
    target = _within_type(columns["item_type"][rows], presence[rows])
    cuts = tuple(
        _cuts(scale.apply(column[rows]), target, seed)
        for column, scale in zip(raw.T, scales, strict=True)
    )
    return Encoder(
        values=tuple(tuple(value for value, _ in _ranked(count)) for count in counts),
        scales=scales,
        cuts=cuts,
        spaces=spaces,
    )


def _ranked(count: Counter[str]) -> list[tuple[str, int]]:
    """Return values by frequency, ties by name, so that equal data give equal codes."""
    return sorted(count.items(), key=lambda pair: (-pair[1], pair[0]))


def _sample(n_rows: int, rng: np.random.Generator) -> NDArray[np.intp]:
    if n_rows <= SAMPLE_ROWS:
        return np.arange(n_rows)
    return np.sort(rng.choice(n_rows, SAMPLE_ROWS, replace=False))


def _scale(values: Floats) -> NumberScale:
    known = values[np.isfinite(values)].astype(np.float64)
    if len(known) < 2:
        return NumberScale(is_log=False, median=0.0, spread=1.0)
    low, high = np.quantile(known, [0.05, 0.95])
    is_log = bool(known.min() >= 0 and high > 10 * max(low, 1e-9))
    if is_log:
        known = np.log1p(known)
    first, median, third = np.quantile(known, [0.25, 0.5, 0.75])
    spread = third - first or float(known.std()) or 1.0
    return NumberScale(is_log, float(median), float(spread))


def _within_type(types: Column, presence: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return presence minus its mean for the item's type: what the type alone does not say."""
    target = presence.astype(np.float64)
    names = np.array([value or "" for value in types])
    for name in np.unique(names):
        same = names == name
        target[same] -= target[same].mean(axis=0)
    return target


def _cuts(values: Floats, target: NDArray[np.float64], seed: int) -> Floats:
    """Return where a regression tree on this number alone splits the operations."""
    known = np.isfinite(values)
    least = max(int(LEAST_SHARE * len(values)), 5)
    if known.sum() < 2 * least:
        return np.empty(0, dtype=np.float32)
    tree = DecisionTreeRegressor(
        max_leaf_nodes=N_INTERVALS, min_samples_leaf=least, random_state=seed
    ).fit(values[known, None], target[known])
    splits = tree.tree_.threshold[tree.tree_.feature >= 0]
    return np.unique(splits.astype(np.float32))


def _text_space(texts: Column, n_directions: int, seed: int) -> TextSpace:
    """Weigh n-grams by rarity (log idf) and project them on the largest singular directions."""
    documents = [Counter(ngrams(text or "")) for text in texts]
    frequency = Counter(gram for document in documents for gram in document)
    kept = [gram for gram, n in _ranked(frequency) if n >= 3][:N_NGRAMS]
    index = {gram: row for row, gram in enumerate(kept)}
    if len(index) <= n_directions:
        return TextSpace(index, np.eye(len(index), n_directions, dtype=np.float32))
    rarity = np.array([1 + np.log(len(texts) / frequency[gram]) for gram in kept])
    matrix = _counts(documents, index).multiply(rarity).tocsr()
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    scaled = csr_matrix(matrix.multiply(1 / np.maximum(lengths, 1e-9)[:, None]))
    svd = TruncatedSVD(n_directions, random_state=seed).fit(scaled)
    return TextSpace(index, (svd.components_.T * rarity[:, None]).astype(np.float32))


def _counts(documents: list[Counter[str]], index: dict[str, int]) -> csr_matrix:
    rows, grams, counts = [], [], []
    for row, document in enumerate(documents):
        for gram, count in document.items():
            if gram in index:
                rows.append(row)
                grams.append(index[gram])
                counts.append(count)
    return csr_matrix((counts, (rows, grams)), shape=(len(documents), len(index)), dtype=float)
