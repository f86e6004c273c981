"""Learn how much each comparison of two items says about their having the same routing.

Neighbourhood components analysis (Goldberger, Roweis, Hinton, Salakhutdinov, NIPS 2004), with a
weight for every comparison instead of a free projection: an item picks a neighbour with a chance
that grows exponentially with the weighted similarity; the weights make it as likely as possible
that the neighbour has the item's routing. An item's own variants are never its neighbours, else
the weights would learn to find copies.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictions.engine.routing.book import group_members
from predictions.engine.routing.encoding import Encoded, Floats
from predictions.engine.routing.similarity import N_COMPARISONS, SimilarityIndex, compare

#: Items whose neighbours are looked at, and how many near and random ones each.
N_ANCHORS = 2_500
N_NEAR = 60
N_RANDOM = 30
N_ROUNDS = 3
N_STEPS = 80
STEP = 0.25
#: Sum of the weights before learning: the sharpness with which the nearest are preferred.
START_SHARPNESS = 25.0
#: Chance granted to items none of whose neighbours has their routing, so that they do not dominate.
FLOOR = 0.02
SHRINKAGE = 1e-4
#: Sum of weights that counts as zero.
NOTHING = 1e-9


@dataclass(frozen=True)
class LearnedWeights:
    """Weights of sum 1, and how sharply similarity is to be read.

    Attributes
    ----------
    weights : float32 array, shape [N_COMPARISONS]
        Not negative.
    sharpness : float
        A neighbour's vote is proportional to exp(sharpness * similarity).
    agreement : float
        Mean chance, over anchors, of picking a neighbour with the item's own routing.
    """

    weights: Floats
    sharpness: float
    agreement: float


def learn_weights(
    items: Encoded,
    routing_ids: NDArray[np.intp],
    groups: NDArray[np.intp],
    rng: np.random.Generator,
    n_anchors: int = N_ANCHORS,
) -> LearnedWeights:
    """Learn weights from training items.

    Parameters
    ----------
    items : Encoded
        Training items.
    routing_ids : intp array, shape [n]
        Equal for equal routings.
    groups : intp array, shape [n]
        Equal for variants of one item.
    rng : numpy.random.Generator
        Chooses anchors and random neighbours.
    n_anchors : int
        Items to learn from.
    """
    anchors = _anchors(routing_ids, groups, n_anchors, rng)
    free = np.full(N_COMPARISONS, START_SHARPNESS / N_COMPARISONS)
    agreement = 0.0
    for _ in range(N_ROUNDS):
        weights = _shares(free)
        near = _candidates(SimilarityIndex(items, weights), anchors, groups, rng)
        compared = np.stack(
            [
                compare(items.take(rows), items.take(slice(a, a + 1)))
                for a, rows in zip(anchors, near, strict=True)
            ]
        )
        is_same = routing_ids[near] == routing_ids[anchors, None]
        free, agreement = _ascend(free, compared, is_same)
    return LearnedWeights(_shares(free), float(free.sum()), agreement)


def _shares(free: NDArray[np.float64]) -> Floats:
    """Return weights of sum 1; equal ones if no comparison says anything."""
    total = free.sum()
    if total < NOTHING:
        return np.full(len(free), 1 / len(free), dtype=np.float32)
    return np.asarray(free / total, dtype=np.float32)


def _anchors(
    routing_ids: NDArray[np.intp],
    groups: NDArray[np.intp],
    n_anchors: int,
    rng: np.random.Generator,
) -> NDArray[np.intp]:
    """Return items whose routing occurs in another group as well: the others teach nothing."""
    pairs = np.unique(np.column_stack([routing_ids, groups]), axis=0)
    n_groups = np.bincount(pairs[:, 0], minlength=int(routing_ids.max()) + 1)
    useful = np.flatnonzero(n_groups[routing_ids] > 1)
    if not len(useful):
        useful = np.arange(len(routing_ids))
    return np.sort(rng.permutation(useful)[:n_anchors])


def _candidates(
    index: SimilarityIndex,
    anchors: NDArray[np.intp],
    groups: NDArray[np.intp],
    rng: np.random.Generator,
) -> NDArray[np.intp]:
    """Return for every anchor its nearest items and some random ones, none of its own group."""
    n_near = min(N_NEAR, max(len(index) // 3, 1))
    members = group_members(groups)
    rows = np.empty((len(anchors), n_near + N_RANDOM), dtype=np.intp)
    for position, anchor in enumerate(anchors):
        own = members[int(groups[anchor])]
        similarity = index.similarity(index.items.take(slice(anchor, anchor + 1)))
        similarity[own] = -1.0
        near = index.nearest(similarity, n_near).rows
        others = rng.integers(0, len(index), rows.shape[1])
        others = others[groups[others] != groups[anchor]]
        chosen = np.concatenate([near, others, near])[: rows.shape[1]]
        rows[position] = np.resize(chosen, rows.shape[1])
    return rows


def _ascend(
    free: NDArray[np.float64], compared: Floats, is_same: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], float]:
    """Return weights after gradient steps (Adam), kept at zero or above, and the mean agreement."""
    first, second = np.zeros_like(free), np.zeros_like(free)
    agreement = 0.0
    for step in range(1, N_STEPS + 1):
        logits = compared @ free.astype(np.float32)
        chances = np.exp(logits - logits.max(axis=1, keepdims=True))
        chances /= chances.sum(axis=1, keepdims=True)
        hit = (chances * is_same).sum(axis=1)
        agreement = float(hit.mean())
        # Derivative of log(hit + FLOOR) by the logits.
        slope = chances * (is_same - hit[:, None]) / (hit[:, None] + FLOOR)
        gradient = np.einsum("am,amf->f", slope, compared, optimize=True) / len(compared)
        gradient = gradient.astype(np.float64) - SHRINKAGE * free
        first = 0.9 * first + 0.1 * gradient
        second = 0.99 * second + 0.01 * gradient**2
        move = (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.99**step)) + 1e-8)
        free = np.maximum(free + STEP * (1 - step / (N_STEPS + 1)) * move, 0.0)
    return free, agreement
