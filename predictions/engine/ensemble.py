"""A sum of regression trees as flat arrays: all that an explanation needs of a model.

The arrays travel as one ``.npz`` file without pickled objects, so a process that loads no training
library can explain a prediction.
"""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sklearn.ensemble import (
        ExtraTreesClassifier,
        GradientBoostingClassifier,
        HistGradientBoostingClassifier,
    )

LEAF = -1
ROWS_AT_ONCE = 2_000  # ours: with 1,000 trees 16 MB of node numbers
FIELDS = ("feature", "threshold", "left", "right", "value", "cover", "roots")


class UnreadableEnsemble(ValueError):
    """The bytes are not a tree ensemble this module wrote."""


@dataclass(frozen=True)
class TreeEnsemble:
    """Trees laid one behind the other; node numbers count over the whole ensemble.

    A row goes left at a node when its value is at most the threshold. All arrays have one entry a
    node, except `roots` with one a tree.

    Attributes
    ----------
    feature : int32 [n_nodes]
        Column a node splits on, or ``LEAF``.
    threshold : float32 [n_nodes]
        Largest value that goes left. Single precision: rows are float32.
    left, right : int32 [n_nodes]
        Children, or ``LEAF``.
    value : float64 [n_nodes]
        What a leaf adds to the margin, learning rate included.
    cover : float64 [n_nodes]
        Weight of the training rows that reached a node; more than zero.
    roots : int32 [n_trees]
        First node of each tree.
    bias : float
        What the sum starts from, in log-odds.
    n_features : int
        Columns a row must have.
    """

    feature: NDArray[np.int32]
    threshold: NDArray[np.float32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    value: NDArray[np.float64]
    cover: NDArray[np.float64]
    roots: NDArray[np.int32]
    bias: float
    n_features: int

    def margin(self, row: NDArray[np.float32]) -> float:
        """Return the log-odds of one complete row [n_features]."""
        nodes = self.roots.copy()
        inner = self.feature[nodes] != LEAF
        while inner.any():
            here = nodes[inner]
            goes_left = row[self.feature[here]] <= self.threshold[here]
            nodes[inner] = np.where(goes_left, self.left[here], self.right[here])
            inner = self.feature[nodes] != LEAF
        return self.bias + float(self.value[nodes].sum())

    def margins(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the log-odds of complete rows [n, n_features], float64 [n]."""
        parts = [
            self._margins(rows[start : start + ROWS_AT_ONCE])
            for start in range(0, len(rows), ROWS_AT_ONCE)
        ]
        return np.concatenate(parts) if parts else np.empty(0)

    def _margins(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        nodes = np.tile(self.roots, (len(rows), 1))
        row, tree = np.nonzero(self.feature[nodes] != LEAF)
        while len(row):
            here = nodes[row, tree]
            goes_left = rows[row, self.feature[here]] <= self.threshold[here]
            after = np.where(goes_left, self.left[here], self.right[here])
            nodes[row, tree] = after
            inner = self.feature[after] != LEAF
            row, tree = row[inner], tree[inner]
        margins: NDArray[np.float64] = self.bias + self.value[nodes].sum(axis=1)
        return margins

    def to_bytes(self) -> bytes:
        """Return the ensemble as a compressed ``.npz`` file."""
        buffer = io.BytesIO()
        arrays = {name: getattr(self, name) for name in FIELDS}
        np.savez_compressed(buffer, bias=self.bias, n_features=self.n_features, **arrays)
        return buffer.getvalue()


def from_bytes(data: bytes) -> TreeEnsemble:
    """Read an ensemble written by :meth:`TreeEnsemble.to_bytes`; pickled content is refused.

    Raises
    ------
    UnreadableEnsemble
        If the file is damaged or lacks an array.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {name: file[name] for name in FIELDS}
            return TreeEnsemble(
                **arrays, bias=float(file["bias"]), n_features=int(file["n_features"])
            )
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as exc:
        raise UnreadableEnsemble(f"not a tree ensemble: {exc}") from exc


def from_gradient_boosting(model: "GradientBoostingClassifier") -> TreeEnsemble:
    """Flatten a fitted two-class gradient boosting of scikit-learn.

    The bias is the log-odds of the training share, as the model's own initial estimator gives it.
    """
    trees = [stage.tree_ for stage in model.estimators_[:, 0]]
    values = [tree.value[:, 0, 0] * model.learning_rate for tree in trees]
    share = float(model.init_.class_prior_[1])
    return _flattened(trees, values, float(np.log(share / (1.0 - share))), model.n_features_in_)


def from_forest(model: "ExtraTreesClassifier", slope: float) -> TreeEnsemble:
    """Flatten a fitted two-class forest of scikit-learn.

    The sum of its leaves is `slope` times the mean over trees of the leaf's share of defects; the
    bias is 0.
    """
    trees = [one.tree_ for one in model.estimators_]
    shares = [tree.value[:, 0, 1] / tree.value[:, 0].sum(axis=1) for tree in trees]
    values = [share * (slope / len(trees)) for share in shares]
    return _flattened(trees, values, 0.0, model.n_features_in_)


def from_histogram(
    model: "HistGradientBoostingClassifier",
) -> tuple[TreeEnsemble, NDArray[np.float64]]:
    """Flatten a fitted two-class histogram gradient boosting of scikit-learn.

    There is no public form of its trees: compare what comes out with the model's own answers.

    Returns
    -------
    TreeEnsemble
    float64 array, shape [n_features]
        Loss removed by the splits on each feature.
    """
    nodes = [stage[0].nodes for stage in model._predictors]
    sizes = np.array([len(one) for one in nodes])
    roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32)
    joined = np.concatenate(nodes)
    shift = np.repeat(roots, sizes)
    is_leaf = joined["is_leaf"].astype(bool)
    split = joined[~is_leaf]
    gains: NDArray[np.float64] = np.bincount(
        split["feature_idx"],
        weights=np.maximum(split["gain"], 0.0),
        minlength=model.n_features_in_,
    ).astype(np.float64)
    trees = TreeEnsemble(
        feature=np.where(is_leaf, LEAF, joined["feature_idx"]).astype(np.int32),
        threshold=_largest_float32(np.where(is_leaf, 0.0, joined["num_threshold"])),
        left=np.where(is_leaf, LEAF, joined["left"] + shift).astype(np.int32),
        right=np.where(is_leaf, LEAF, joined["right"] + shift).astype(np.int32),
        value=np.where(is_leaf, joined["value"], 0.0),
        cover=joined["count"].astype(np.float64),
        roots=roots,
        bias=float(model._baseline_prediction.ravel()[0]),
        n_features=int(model.n_features_in_),
    )
    return trees, gains


def _flattened(
    trees: Sequence[Any], values: Sequence[NDArray[np.float64]], bias: float, n_features: int
) -> TreeEnsemble:
    """Lay scikit-learn's trees one behind the other."""
    sizes = np.array([tree.node_count for tree in trees])
    roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32)

    def children(name: str) -> NDArray[np.int32]:
        shifted = [
            np.where(getattr(tree, name) < 0, LEAF, getattr(tree, name) + root)
            for tree, root in zip(trees, roots, strict=True)
        ]
        return np.concatenate(shifted).astype(np.int32)

    left = children("children_left")
    feature = np.concatenate([tree.feature for tree in trees])
    return TreeEnsemble(
        feature=np.where(left == LEAF, LEAF, feature).astype(np.int32),
        threshold=_largest_float32(np.concatenate([tree.threshold for tree in trees])),
        left=left,
        right=children("children_right"),
        value=np.concatenate(values),
        cover=np.concatenate([tree.weighted_n_node_samples for tree in trees]),
        roots=roots,
        bias=bias,
        n_features=int(n_features),
    )


def _largest_float32(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the largest float32 not above each threshold, so that float32 rows go the same way."""
    single = thresholds.astype(np.float32)
    below = np.nextafter(single, np.float32(-np.inf))
    return np.where(single.astype(np.float64) > thresholds, below, single).astype(np.float32)
