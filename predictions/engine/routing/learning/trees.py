"""Grow boosted trees with scikit-learn and copy them into a `Forest`."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from predictions.engine.routing.encoding import MAX_CODES, Floats
from predictions.engine.routing.trees import LEAF, NO_CATEGORIES, Forest

Grown: TypeAlias = HistGradientBoostingClassifier | HistGradientBoostingRegressor


Number = TypeVar("Number", bound=np.generic)


@contextmanager
def one_thread() -> Iterator[None]:
    """Grow in one thread: the trees are small, and sums in one order are repeatable."""
    with threadpool_limits(limits=1, user_api="openmp"):
        yield


@dataclass(frozen=True)
class Constant:
    """An ensemble without trees: one raw output for every row."""

    raw: float


@dataclass(frozen=True)
class TreeSettings:
    """How trees are grown.

    Attributes
    ----------
    n_trees : int
    learning_rate : float
    max_leaf_nodes : int
    min_samples_leaf : int
    """

    n_trees: int
    learning_rate: float
    max_leaf_nodes: int
    min_samples_leaf: int

    def arguments(self, n_categories: int, n_columns: int, seed: int) -> dict[str, object]:
        """Return the arguments common to classifiers and regressors."""
        return {
            "categorical_features": np.arange(n_columns) < n_categories,
            "max_iter": self.n_trees,
            "learning_rate": self.learning_rate,
            "max_leaf_nodes": self.max_leaf_nodes,
            "min_samples_leaf": self.min_samples_leaf,
            "max_features": 0.5,
            "l2_regularization": 1.0,
            "early_stopping": False,
            "random_state": seed,
        }


def grow_classifier(
    rows: Floats, target: NDArray[np.bool_], settings: TreeSettings, n_categories: int, seed: int
) -> Grown | Constant:
    """Return trees whose raw output is the log-odds of the target.

    With fewer than `settings.min_samples_leaf` rows on either side there is nothing to grow on: the
    answer is the share itself (with half a row added to both sides).
    """
    n_true = int(target.sum())
    if min(n_true, len(target) - n_true) < settings.min_samples_leaf:
        return Constant(float(np.log((n_true + 0.5) / (len(target) - n_true + 0.5))))
    arguments = settings.arguments(n_categories, rows.shape[1], seed)
    return HistGradientBoostingClassifier(**arguments).fit(_usable(rows), target)


def grow_quantile(
    rows: Floats,
    target: NDArray[np.float64],
    quantile: float,
    settings: TreeSettings,
    n_categories: int,
    seed: int,
) -> Grown:
    """Return trees whose output is a quantile of the target (pinball loss)."""
    arguments = settings.arguments(n_categories, rows.shape[1], seed)
    grown = HistGradientBoostingRegressor(loss="quantile", quantile=quantile, **arguments)
    return grown.fit(_usable(rows), target)


def _usable(rows: Floats) -> Floats:
    """Return rows in which a column that is missing throughout is 0; the library needs one value.

    A column with one value is never asked for, so prediction does not notice.
    """
    empty = np.isnan(rows).all(axis=0)
    return np.where(empty, np.float32(0), rows) if empty.any() else rows


@dataclass
class _Nodes:
    feature: list[NDArray[np.int16]]
    value: list[Floats]
    left: list[NDArray[np.int32]]
    right: list[NDArray[np.int32]]
    missing_left: list[NDArray[np.bool_]]
    categories: list[NDArray[np.int32]]
    bits: list[int]
    roots: list[int]
    n_nodes: int = 0


def copy_forest(ensembles: Iterable[Grown | Constant]) -> Forest:
    """Return a `Forest` with the outputs of several ensembles, in order.

    Parameters
    ----------
    ensembles : iterable
        Fitted on columns whose categorical ones come first and hold codes below `MAX_CODES`.
    """
    nodes = _Nodes([], [], [], [], [], [], [], [])
    offsets, base = [0], []
    for ensemble in ensembles:
        if isinstance(ensemble, Constant):
            base.append(ensemble.raw)
        else:
            base.append(float(np.ravel(ensemble._baseline_prediction)[0]))
            known = _known_codes(ensemble)
            for (tree,) in ensemble._predictors:
                _copy_tree(tree, known, nodes)
        offsets.append(len(nodes.roots))
    return Forest(
        feature=_joined(nodes.feature, np.int16),
        value=_joined(nodes.value, np.float32),
        left=_joined(nodes.left, np.int32),
        right=_joined(nodes.right, np.int32),
        missing_left=_joined(nodes.missing_left, np.bool_),
        categories=_joined(nodes.categories, np.int32),
        bits=np.array(nodes.bits, dtype=np.uint64),
        roots=np.array(nodes.roots, dtype=np.int32),
        offsets=np.array(offsets, dtype=np.int32),
        base=np.array(base, dtype=np.float64),
    )


def _joined(parts: list[NDArray[Number]], dtype: type[Number]) -> NDArray[Number]:
    return np.concatenate(parts).astype(dtype) if parts else np.empty(0, dtype=dtype)


def _known_codes(ensemble: Grown) -> list[NDArray[np.int64]]:
    """Return for every categorical column the codes it was fitted on, by internal number."""
    if ensemble.is_categorical_ is None:
        return []
    encoder = ensemble._preprocessor.named_transformers_["encoder"]
    return [codes[~np.isnan(codes)].astype(np.int64) for codes in encoder.categories_]


def _copy_tree(tree: object, known: list[NDArray[np.int64]], nodes: _Nodes) -> None:
    raw = tree.nodes  # type: ignore[attr-defined]
    is_leaf = raw["is_leaf"].astype(bool)
    here = np.arange(len(raw), dtype=np.int64)
    # A float32 value is at most the threshold exactly if it is at most the float32 below it.
    threshold = raw["num_threshold"].astype(np.float32)
    above = threshold.astype(np.float64) > raw["num_threshold"]
    threshold[above] = np.nextafter(threshold[above], np.float32(-np.inf))
    nodes.feature.append(np.where(is_leaf, LEAF, raw["feature_idx"]).astype(np.int16))
    nodes.value.append(np.where(is_leaf, raw["value"], threshold).astype(np.float32))
    for name in ("left", "right"):
        following = np.where(is_leaf, here, raw[name]) + nodes.n_nodes
        getattr(nodes, name).append(following.astype(np.int32))
    nodes.missing_left.append(raw["missing_go_to_left"].astype(bool))
    kinds = np.full(len(raw), NO_CATEGORIES, dtype=np.int32)
    for node in np.flatnonzero(raw["is_categorical"].astype(bool) & ~is_leaf):
        kinds[node] = len(nodes.bits)
        words = tree.raw_left_cat_bitsets[raw["bitset_idx"][node]]  # type: ignore[attr-defined]
        codes = known[raw["feature_idx"][node]]
        nodes.bits.append(_bits(words, codes, bool(raw["missing_go_to_left"][node])))
    nodes.categories.append(kinds)
    nodes.roots.append(nodes.n_nodes)
    nodes.n_nodes += len(raw)


def _bits(words: NDArray[np.uint32], codes: NDArray[np.int64], missing_left: bool) -> int:
    """Return which codes go left; codes the tree never saw go where missing ones go."""
    left = 0
    internal = {int(code): number for number, code in enumerate(codes)}
    for code in range(MAX_CODES):
        number = internal.get(code)
        if number is None:
            goes_left = missing_left
        else:
            goes_left = bool(words[number // 32] >> np.uint32(number % 32) & np.uint32(1))
        left |= int(goes_left) << code
    return left
