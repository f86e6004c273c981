"""Boosted trees as flat arrays, evaluated with NumPy alone.

The web process must not load the library that grew the trees. `learning.trees` copies them here;
results agree with that library to 1e-6
(`test_a_copied_forest_predicts_what_scikit_learn_predicts`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from predictions.engine.routing.encoding import Floats

LEAF = -1
NO_CATEGORIES = -1
#: Rows times trees walked at once, to bound memory.
_BLOCK = 2_000_000


@dataclass(frozen=True)
class Forest:
    """Several ensembles of regression trees over the same columns.

    Attributes
    ----------
    feature : int16 array, shape [n_nodes]
        Column a node asks for, `LEAF` at leaves.
    value : float32 array, shape [n_nodes]
        Threshold of a node (left if the column is at most that), or what a leaf adds.
    left, right : int32 arrays, shape [n_nodes]
        Next node; a leaf points at itself.
    missing_left : bool array, shape [n_nodes]
        Where NaN goes.
    categories : int32 array, shape [n_nodes]
        Row of `bits` for nodes that ask for category codes, else `NO_CATEGORIES`.
    bits : uint64 array, shape [n_category_nodes]
        Bit c is set if code c goes left.
    roots : int32 array, shape [n_trees]
    offsets : int32 array, shape [n_ensembles + 1]
        Trees of ensemble e are ``roots[offsets[e]:offsets[e + 1]]``.
    base : float64 array, shape [n_ensembles]
        What an ensemble says before its first tree.
    """

    feature: NDArray[np.int16]
    value: Floats
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    missing_left: NDArray[np.bool_]
    categories: NDArray[np.int32]
    bits: NDArray[np.uint64]
    roots: NDArray[np.int32]
    offsets: NDArray[np.int32]
    base: NDArray[np.float64]

    @property
    def n_ensembles(self) -> int:
        """How many separate outputs there are."""
        return len(self.base)

    def predict(
        self, rows: Floats, ensembles: NDArray[np.intp] | None = None
    ) -> NDArray[np.float64]:
        """Return raw outputs, shape [n, n_chosen].

        Parameters
        ----------
        rows : float32 array, shape [n, n_columns]
            NaN where missing.
        ensembles : intp array or None
            Which outputs, each as often as wanted; all by default.
        """
        chosen = np.arange(self.n_ensembles) if ensembles is None else ensembles
        counts = self.offsets[chosen + 1] - self.offsets[chosen]
        starts = np.r_[0, np.cumsum(counts)]
        within = np.arange(starts[-1]) - np.repeat(starts[:-1], counts)
        roots = self.roots[np.repeat(self.offsets[chosen], counts) + within]
        out = np.tile(self.base[chosen], (len(rows), 1))
        if not len(roots):
            return out
        owners = np.repeat(np.arange(len(chosen)), counts)
        step = max(_BLOCK // len(roots), 1)
        for start in range(0, len(rows), step):
            leaves = self._leaves(rows[start : start + step], roots)
            for row, line in enumerate(self.value[leaves]):
                out[start + row] += np.bincount(owners, line, minlength=len(chosen))
        return out

    def _leaves(self, rows: Floats, roots: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the leaf of every row in every tree, shape [n, n_trees]."""
        n_rows, n_columns = rows.shape
        flat = rows.ravel()
        nodes = np.tile(roots, n_rows)
        offsets = np.repeat(np.arange(n_rows) * n_columns, len(roots))
        active = np.flatnonzero(self.feature[nodes] != LEAF)
        while len(active):
            current = nodes[active]
            asked = flat[offsets[active] + self.feature[current]]
            goes_left = self._goes_left(current, asked)
            current = np.where(goes_left, self.left[current], self.right[current])
            nodes[active] = current
            active = active[self.feature[current] != LEAF]
        return nodes.reshape(n_rows, len(roots))

    def _goes_left(self, nodes: NDArray[np.int32], asked: Floats) -> NDArray[np.bool_]:
        left = asked <= self.value[nodes]
        kinds = self.categories[nodes]
        missing = np.isnan(asked)
        asks_code = np.flatnonzero((kinds != NO_CATEGORIES) & ~missing)
        codes = asked[asks_code].astype(np.uint64)
        left[asks_code] = (self.bits[kinds[asks_code]] >> codes) & np.uint64(1) == 1
        left[missing] = self.missing_left[nodes[missing]]
        return left

    def arrays(self, prefix: str) -> dict[str, NDArray[np.generic]]:
        """Return the arrays under names with a prefix, for storing."""
        return {f"{prefix}.{field.name}": getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]], prefix: str) -> "Forest":
        """Return a forest from what `arrays` gave.

        Raises
        ------
        KeyError
            If an array is missing.
        ValueError
            If a node points outside of the forest, which no copied forest does.
        """
        forest = cls(**{field.name: arrays[f"{prefix}.{field.name}"] for field in fields(cls)})  # type: ignore[arg-type]
        n_nodes = len(forest.feature)
        for name in ("left", "right", "roots"):
            nodes = getattr(forest, name)
            if len(nodes) and (nodes.min() < 0 or nodes.max() >= n_nodes):
                raise ValueError(f"{prefix}.{name} points outside of the forest")
        return forest
