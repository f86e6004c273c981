"""Learn in which order steps stand, and for pairs that occur both ways what decides."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from predictions.engine.routing.book import RoutingBook
from predictions.engine.routing.encoding import Floats
from predictions.engine.routing.learning.trees import (
    TreeSettings,
    copy_forest,
    grow_classifier,
    one_thread,
)
from predictions.engine.routing.order import OrderBook

#: A pair occurs both ways if its rarer order has this share and this many items.
LEAST_SHARE = 0.02
LEAST_ITEMS = 10
#: Pairs that get trees, the most frequent first.
MAX_PAIRS = 400
#: Part of a pair's belief that comes from the trees. On 2,488 validation items of a draw that no
#: figure is reported of, .6, .8 and .95 gave .957, .959 and .959 within three.
TRUST = 0.8
#: What the general places of two steps count against routings that have both: as much as one.
PLACE_COUNTS = 1.0
#: Spread added to every step's places, so that a step that never moves leaves some doubt.
LEAST_SPREAD = 0.02
SETTINGS = TreeSettings(n_trees=40, learning_rate=0.15, max_leaf_nodes=8, min_samples_leaf=5)


def learn_order(
    book: RoutingBook, items: NDArray[np.intp], design: Floats, n_categories: int, seed: int
) -> OrderBook:
    """Learn from some items of a book.

    Parameters
    ----------
    book : RoutingBook
    items : intp array, shape [n]
        Items of the book to learn from.
    design : float32 array, shape [n, n_columns]
        Their attributes (see `Encoder.design`), categories first.
    n_categories : int
        How many categories there are.
    seed : int
        For the trees.
    """
    routings = book.item_routing[items]
    wins = _wins(book, routings)
    met = wins + wins.T
    share = (wins + PLACE_COUNTS * _by_place(book, routings)) / (met + PLACE_COUNTS)
    pairs = _both_ways(wins, met)
    with one_thread():
        grown = []
        for first, second in pairs:
            places = book.positions[routings][:, [first, second]]
            has = (places >= 0).all(axis=1)
            target = places[has, 0] < places[has, 1]
            grown.append(grow_classifier(design[has], target, SETTINGS, n_categories, seed))
    return OrderBook(share.astype(np.float32), pairs, copy_forest(grown), TRUST)


def _wins(book: RoutingBook, routings: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return how many items have the row before the column."""
    wins = np.zeros((book.n_steps, book.n_steps))
    counts = np.bincount(routings, minlength=len(book.sequences))
    for routing in np.flatnonzero(counts):
        line = np.array(book.sequence(int(routing)))
        first, second = np.triu_indices(len(line), 1)
        wins[line[first], line[second]] += counts[routing]
    return wins


def _by_place(book: RoutingBook, routings: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the chance of the row standing before the column, from where each stands in general.

    The place of a step, as a part of its routing's length, is taken for normally distributed
    (Thurstone, Psychological Review 34, 1927): forging comes before turning on a lathe although
    no routing with that lathe was forged.
    """
    places = book.positions[routings]
    has = places >= 0
    n = np.maximum(has.sum(axis=0), 1)
    lengths = np.maximum(has.sum(axis=1, keepdims=True), 1)
    part = np.where(has, (places + 0.5) / lengths, 0.0)
    mean = part.sum(axis=0) / n
    spread = (np.where(has, part - mean, 0.0) ** 2).sum(axis=0) / n + LEAST_SPREAD**2
    apart = (mean[None] - mean[:, None]) / np.sqrt(spread[:, None] + spread[None])
    known = has.any(axis=0)
    return np.where(known[:, None] & known[None], ndtr(apart), 0.5)


def _both_ways(wins: NDArray[np.float64], met: NDArray[np.float64]) -> NDArray[np.int32]:
    rarer = np.triu(np.minimum(wins, wins.T), 1)
    first, second = np.nonzero(rarer >= np.maximum(LEAST_ITEMS, LEAST_SHARE * met))
    frequent = np.argsort(-met[first, second], kind="stable")[:MAX_PAIRS]
    return np.column_stack([first[frequent], second[frequent]]).astype(np.int32)
