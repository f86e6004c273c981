"""Split protocols: which shots a model learns from and which judge it.

A protocol says how a score was earned. Rows that agree in everything but the shot counter form a
group, and the honest protocols never put a group on both sides.
"""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from portal.lib import seeds
from portal.lib.coded import gettext_noop

Indices = NDArray[np.intp]


class TooFewParts(ValueError):
    """There are not two products or molds to tell apart."""


@dataclass(frozen=True, eq=False)
class Fold:
    """One division of the rows.

    Attributes
    ----------
    train, test : int arrays
        Positions in ascending order, disjoint.
    """

    train: Indices
    test: Indices


By = Literal["shot", "product", "mold"]
Splitter = Callable[[NDArray[np.bool_], NDArray[np.intp], int, int], list[Fold]]


@dataclass(frozen=True)
class Protocol:
    """A named way of splitting.

    Attributes
    ----------
    name : str
        Key in `PROTOCOLS`.
    label, description : str
        For people; marked for translation.
    leaks : bool
        Whether test shots can be known from training; such figures are for comparison only.
    split : callable
        ``split(labels, groups, n_folds, seed)`` → folds; rows are in production order.
    by : {"shot", "product", "mold"}
        What the groups handed to `split` stand for.
    """

    name: str
    label: str
    description: str
    leaks: bool
    split: Splitter
    by: By = "shot"


def grouped(
    labels: NDArray[np.bool_], groups: NDArray[np.intp], n_folds: int, seed: int
) -> list[Fold]:
    """Shuffle groups into folds of equal size and equal defect share.

    Parameters
    ----------
    labels : bool array, shape [n]
        Whether a shot is defective; keeps the share alike in all folds.
    groups : int array, shape [n]
        Group number of each row, from 0.
    n_folds : int
        At least 2.
    seed : int
        Same seed, same folds.

    Returns
    -------
    list of Fold
        Every row is tested once.

    Notes
    -----
    Groups are shuffled, ordered by their number of defects and dealt out one after the other, so
    the folds' defect counts differ by no more than the largest group's.
    """
    n_groups = int(groups.max()) + 1
    defects = np.bincount(groups, weights=labels, minlength=n_groups)
    shuffled = seeds.generator(seed).permutation(n_groups)
    dealt = shuffled[np.argsort(-defects[shuffled], kind="stable")]
    fold_of_group = np.empty(n_groups, dtype=np.intp)
    fold_of_group[dealt] = np.arange(n_groups) % n_folds
    fold_of_row = fold_of_group[groups]
    return [
        Fold(np.flatnonzero(fold_of_row != fold), np.flatnonzero(fold_of_row == fold))
        for fold in range(n_folds)
    ]


def forward(
    labels: NDArray[np.bool_],
    groups: NDArray[np.intp],
    n_folds: int,
    seed: int,
) -> list[Fold]:
    """Train on everything before a block of time and test on the block.

    Parameters
    ----------
    labels : bool array, shape [n]
        Gives the number of rows.
    groups : int array, shape [n]
        Test rows whose group was trained on are left out.
    n_folds : int
        The rows are cut into ``n_folds + 1`` blocks; the first is never tested.
    seed : int
        Without effect: time leaves nothing to chance.

    Returns
    -------
    list of Fold
        Growing training parts.
    """
    del seed
    edges = np.linspace(0, len(labels), n_folds + 2).round().astype(np.intp)
    folds = []
    for start, stop in itertools.pairwise(edges[1:]):
        test = np.arange(start, stop)
        folds.append(Fold(np.arange(start), test[~np.isin(groups[test], groups[:start])]))
    return folds


def random(
    labels: NDArray[np.bool_], groups: NDArray[np.intp], n_folds: int, seed: int
) -> list[Fold]:
    """Shuffle rows into folds of equal defect share, copies on both sides included.

    Parameters
    ----------
    labels : bool array, shape [n]
        Whether a shot is defective.
    groups : int array, shape [n]
        Without effect; that is the leak.
    n_folds, seed : int
        As in `grouped`.

    Returns
    -------
    list of Fold
        Every row is tested once.
    """
    del groups
    return grouped(labels, np.arange(len(labels)), n_folds, seed)


def by_part(
    labels: NDArray[np.bool_], groups: NDArray[np.intp], n_folds: int, seed: int
) -> list[Fold]:
    """Test on products, or molds, that were not trained on.

    Parameters
    ----------
    labels : bool array, shape [n]
        Whether a shot is defective.
    groups : int array, shape [n]
        Number of each row's product or mold, from 0.
    n_folds : int
        With at most so many parts each is left out once; more are dealt as in `grouped`.
    seed : int
        Same seed, same folds.

    Raises
    ------
    TooFewParts
        If there is one part only.
    """
    numbers = np.unique(groups, return_inverse=True)[1]
    n_parts = int(numbers.max()) + 1
    if n_parts < 2:
        raise TooFewParts(f"{n_parts} part")
    return grouped(labels, numbers, min(n_folds, n_parts), seed)


PROTOCOLS: Mapping[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "grouped",
            gettext_noop("Grouped by identical rows"),
            gettext_noop(
                "Cross-validation on distinct shots; shots that agree in all but the shot number "
                "stay on one side."
            ),
            leaks=False,
            split=grouped,
        ),
        Protocol(
            "forward",
            gettext_noop("Forward in time"),
            gettext_noop(
                "Trained on all distinct shots before a block of production and tested on the "
                "block: what a model in use meets."
            ),
            leaks=False,
            split=forward,
        ),
        Protocol(
            "product",
            gettext_noop("By product"),
            gettext_noop(
                "Trained on some products and tested on the others: what a product without any "
                "history meets."
            ),
            leaks=False,
            split=by_part,
            by="product",
        ),
        Protocol(
            "mold",
            gettext_noop("By mold"),
            gettext_noop(
                "Trained on shots of some molds and tested on the others: what a new mold meets."
            ),
            leaks=False,
            split=by_part,
            by="mold",
        ),
        Protocol(
            "random",
            gettext_noop("Random rows (leaking)"),
            gettext_noop(
                "Rows shuffled with all their copies, as published: test shots can be known from "
                "training. For comparison only."
            ),
            leaks=True,
            split=random,
        ),
    )
}
DEFAULT_PROTOCOL = "grouped"
