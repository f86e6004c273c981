"""Which items are variants of one another, and splits that keep variants together.

A revision, a mirrored twin or another length of an item has its routing because somebody copied it.
With a twin in training any lookup finds a test item's routing, so test items are independent of
training items only if whole groups of variants are held out.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictions.engine.routing.tables import Columns, ItemTable

Rows = NDArray[np.intp]

#: What variants have in common besides the drawing: what is made, of what, in which plant.
_MAKE_UP = ("item_type", "item_subgroup", "material", "material_form", "plant", "planner_group")
#: Sizes of which near-duplicates differ in one at most.
_SIZES = (
    "outer_diameter_mm", "inner_diameter_mm", "thickness_mm", "length_mm", "width_mm",
    "hole_count", "thread_count", "annual_quantity",
)  # fmt: skip


@dataclass(frozen=True)
class Protocol:
    """A way to hold items out.

    Attributes
    ----------
    name, label : str
    is_leaking : bool
        Whether variants may stand on both sides.
    """

    name: str
    label: str
    is_leaking: bool


PROTOCOLS: Mapping[str, Protocol] = {
    "grouped": Protocol("grouped", "Variants of an item stay together", is_leaking=False),
    "forward": Protocol("forward", "The latest items, none with an earlier variant", False),
    "random": Protocol("random", "Items at random, variants on both sides", is_leaking=True),
}


def variant_groups(items: ItemTable) -> Rows:
    """Return group numbers, shape [n]; equal for variants of one item.

    Two items are variants if they share a drawing, if one drawing extends the other by a suffix
    ("-01"), or if make-up and all sizes but one are equal (blocked on pairs of sizes, so that the
    table is never compared all against all).
    """
    columns = items.columns()
    groups = _Union(items.n_rows)
    groups.join(_drawings(columns["drawing_number"]))
    for omitted in range(len(_SIZES)):
        groups.join(_make_up(columns, omitted))
    return groups.numbers()


def hold_out(
    items: ItemTable, *, protocol: str = "grouped", share: float = 0.2, seed: int
) -> tuple[Rows, Rows]:
    """Split items into training and test rows.

    Parameters
    ----------
    items : ItemTable
    protocol : str
        Key of `PROTOCOLS`.
    share : float
        Part of the items to hold out, about.
    seed : int
        Chooses the held-out groups; unused by "forward".

    Returns
    -------
    tuple of intp arrays
        Sorted rows for training and for testing.
    """
    rng = np.random.default_rng(seed)
    splitters: dict[str, Callable[[], NDArray[np.bool_]]] = {
        "grouped": lambda: draw_groups(variant_groups(items), share, rng),
        "forward": lambda: _latest(items, share),
        "random": lambda: rng.random(items.n_rows) < share,
    }
    is_test = splitters[protocol]()
    return np.flatnonzero(~is_test), np.flatnonzero(is_test)


def draw_groups(groups: Rows, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return which rows belong to randomly drawn groups that make up a share of the groups."""
    names = np.unique(groups)
    drawn = rng.permutation(names)[: max(round(share * len(names)), 1)]
    return np.isin(groups, drawn)


def _latest(items: ItemTable, share: float) -> NDArray[np.bool_]:
    """Return the latest groups, by when a group's first item was created."""
    groups = variant_groups(items)
    days = items.columns()["created_on"].astype(np.float64)
    known = np.where(np.isnan(days), -np.inf, days)
    first = np.full(int(groups.max()) + 1, np.inf)
    np.minimum.at(first, groups, known)
    return np.asarray(first[groups] > np.quantile(first[groups], 1 - share))


class _Union:
    """Disjoint sets over rows."""

    def __init__(self, n_rows: int) -> None:
        self._parent = list(range(n_rows))

    def _root(self, row: int) -> int:
        while self._parent[row] != row:
            self._parent[row] = self._parent[self._parent[row]]
            row = self._parent[row]
        return row

    def join(self, keys: Sequence[object | None]) -> None:
        """Join the rows with equal keys; rows with None stay apart."""
        first: dict[object, int] = {}
        for row, key in enumerate(keys):
            if key is not None:
                other = self._root(first.setdefault(key, row))
                self._parent[self._root(row)] = other

    def numbers(self) -> Rows:
        """Return group numbers from 0, by first row."""
        roots = np.array([self._root(row) for row in range(len(self._parent))], dtype=np.intp)
        return np.unique(roots, return_inverse=True)[1].astype(np.intp)


def _drawings(drawings: Iterable[str | None]) -> list[str | None]:
    """Return each drawing number without suffixes that lead to another drawing."""
    drawings = list(drawings)
    known = {drawing for drawing in drawings if drawing}
    found: list[str | None] = []
    for drawing in drawings:
        stem = drawing or None
        while stem and "-" in stem and (shorter := stem.rsplit("-", 1)[0]) in known:
            stem = shorter
        found.append(stem)
    return found


def _make_up(columns: Columns, omitted: int) -> list[tuple[object, ...] | None]:
    """Return make-up and all sizes but one; None where too few sizes are known to tell."""
    sizes = [columns[name] for at, name in enumerate(_SIZES) if at != omitted]
    values = np.column_stack(sizes).astype(np.float64)
    is_telling = np.isfinite(values).sum(axis=1) >= 5
    make_up = [columns[name] for name in _MAKE_UP]
    keys: list[tuple[object, ...] | None] = []
    for row, line in enumerate(np.nan_to_num(values, nan=-1.0).tolist()):
        kinds = tuple(column[row] for column in make_up)
        keys.append((*kinds, *line) if is_telling[row] else None)
    return keys
