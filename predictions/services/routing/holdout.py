"""Choose the items that no version of the family ever trains on, variants and all.

The choice is a function of an item's own drawing number (without the suffix of a variant), or of
its code when it has none: the same item is held out in every data set, whoever imports it and
whenever. Items that resemble a held-out one as its variants do are not trained on either; they are
left out of both parts unless they are chosen themselves.
"""

import hashlib
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictions.engine.routing.splits import variant_groups
from predictions.engine.routing.tables import ItemTable

#: One design in five. Changing it lets versions train on items that older evaluation sets hold:
#: never change it.
MODULUS = 5
#: What plants append to the drawing of a variant, as far as enough digits stay to tell designs by.
_SUFFIX = re.compile(r"[-_./ ](\d{1,2}|[A-Za-z])$")
_LEAST_DIGITS = 5


@dataclass(frozen=True)
class Division:
    """Which rows of an item table do what.

    Attributes
    ----------
    learnt, held : intp arrays
        Rows to train on, and rows to judge by.
    n_set_aside : int
        Variants of held-out items, in neither part.
    """

    learnt: NDArray[np.intp]
    held: NDArray[np.intp]
    n_set_aside: int


def divide(items: ItemTable) -> Division:
    """Return the items to train on and the items held out."""
    is_held = held_out(items)
    groups = variant_groups(items)
    touched = np.isin(groups, groups[is_held])
    return Division(
        np.flatnonzero(~touched), np.flatnonzero(is_held), int((touched & ~is_held).sum())
    )


def held_out(items: ItemTable) -> NDArray[np.bool_]:
    """Return which items are held out by what they say of themselves; shape [n]."""
    return np.array([_number(key) % MODULUS == 0 for key in _keys(items)], dtype=bool)


def first(items: ItemTable, most: int) -> ItemTable:
    """Return at most so many of held-out items, mostly the same ones of every data set."""
    order = np.argsort([_number(key) for key in _keys(items)], kind="stable")[:most]
    return items.take(np.sort(order))


def _keys(items: ItemTable) -> list[str]:
    drawings = items.column("drawing_number").tolist()
    return [_key(*pair) for pair in zip(drawings, items.codes(), strict=True)]


def _key(drawing: str | None, code: str) -> str:
    return f"drawing {_stem(drawing)}" if drawing else f"item {code}"


def _stem(drawing: str) -> str:
    while True:
        shorter = _SUFFIX.sub("", drawing)
        if shorter == drawing or sum(map(str.isdigit, shorter)) < _LEAST_DIGITS:
            return drawing
        drawing = shorter


def _number(key: str) -> int:
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big")
