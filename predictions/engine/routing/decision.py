"""Choose the routing of one item: neighbours, beliefs, ranking, familiarity, confidence.

NumPy only; training, evaluation and serving all go through `Decider.decide`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictions.engine.routing.book import RoutingBook
from predictions.engine.routing.encoding import Encoded, Encoder
from predictions.engine.routing.filling import Filled
from predictions.engine.routing.order import OrderBook
from predictions.engine.routing.similarity import Neighbours, SimilarityIndex, compare
from predictions.engine.routing.trees import Forest
from predictions.engine.routing.voting import (
    N_VOTERS,
    Blend,
    Evidence,
    RankedRouting,
    Rule,
    Vote,
    logit,
    rank,
    vote,
)

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]

#: Of the voters, those most alike in all fields say how familiar an item is.
N_FAMILIAR = 5
#: Similarity of items that must not vote.
NOT_COMPARED = -1.0
#: Items whose trees are walked together; bounds memory.
CHUNK = 64
#: Candidates kept of every decision; the answer shows at most as many.
N_RANKED = 10
LEVELS: tuple[tuple[str, float], ...] = (("high", 0.9), ("medium", 0.7), ("low", 0.0))


def familiarity_of(
    index: SimilarityIndex, kin_weights: Floats32, item: Encoded, nearest: Neighbours
) -> float:
    """Return how much the item resembles those nearest to it in what tells kinds apart.

    Returns
    -------
    float
        Mean similarity, weighted by `kin_weights` (see `learning.familiarity`), of the
        `N_FAMILIAR` most alike; 0 without any.
    """
    if not len(nearest):
        return 0.0
    alike = compare(index.items.take(nearest.rows), item) @ kin_weights
    return float(np.sort(alike)[-N_FAMILIAR:].mean())


@dataclass(frozen=True)
class Familiarity:
    """How familiar an item of a known kind is.

    Calibrated as conformal prediction does (Vovk, Gammerman, Shafer, 2005; for outliers Bates and
    others, Annals of Statistics 51, 2023): training items are compared with all others but their
    own variants; a new item of the same kinds falls below the threshold no more often than they.

    Attributes
    ----------
    levels : float64 array, shape [m]
        How familiar training items are (see `familiarity_of`), ascending.
    refused_share : float
        Part of the items of known kinds that may be refused.
    """

    levels: Floats
    refused_share: float

    @property
    def threshold(self) -> float:
        """Similarity below which an item is refused; -1 (nothing) with too few levels to tell."""
        rank_ = int(np.floor(self.refused_share * (len(self.levels) + 1)))
        return float(self.levels[rank_ - 1]) if rank_ >= 1 else -1.0

    def share_below(self, similarity: float) -> float:
        """Return the part of known items that are no more familiar than this (conformal p)."""
        below = int(np.searchsorted(self.levels, similarity, side="right"))
        return (below + 1) / (len(self.levels) + 1)


@dataclass(frozen=True)
class Confidence:
    """Probability that the proposed operations are right: a logistic regression.

    On the log-odds of the proposal against the other candidates, and on familiarity.
    """

    weight: float
    familiarity: float
    intercept: float

    def __call__(self, weight: float, familiarity: float) -> float:
        """Return a probability."""
        odds = self.weight * float(logit(np.array(weight), 1e-3)) + self.intercept
        return float(1 / (1 + np.exp(-(odds + self.familiarity * familiarity))))


def level(probability: float) -> str:
    """Return "high", "medium" or "low"; the limits are ours."""
    return next(name for name, least in LEVELS if probability >= least)


@dataclass(frozen=True)
class Decision:
    """What was found out about one item.

    Attributes
    ----------
    similarity : float32 array, shape [n_items]
        To every item of the index, `NOT_COMPARED` to those excluded.
    evidence : Evidence
    frequency : float64 array, shape [n_steps]
        Vote share of every step.
    ranked : list of RankedRouting
        Best first.
    familiarity : float
        See `familiarity_of`.
    """

    similarity: NDArray[np.float32]
    evidence: Evidence
    frequency: Floats
    ranked: list[RankedRouting]
    familiarity: float

    @property
    def neighbours(self) -> Neighbours:
        """The items that voted."""
        return self.evidence.ballot.voters


def ballots(
    index: SimilarityIndex,
    book: RoutingBook,
    sharpness: float,
    items: Encoded,
    excluded: Sequence[NDArray[np.intp]] | None,
) -> Iterator[tuple[Floats32, Vote]]:
    """Yield for every item its similarity to all of the index, and the votes of the nearest.

    Parameters
    ----------
    index : SimilarityIndex
    book : RoutingBook
        Of the items of the index.
    sharpness : float
        Of a vote (see `voting.vote`).
    items : Encoded
    excluded : sequence of intp arrays or None
        For each item those that must not vote on it.
    """
    for row in range(len(items)):
        similarity = index.similarity(items.take(slice(row, row + 1)))
        if excluded is not None:
            similarity[excluded[row]] = NOT_COMPARED
        voters = index.nearest(similarity, N_VOTERS)
        yield similarity, vote(voters, book.item_routing, sharpness)


def filled_design(
    index: SimilarityIndex, items: Encoded, found: Sequence[Vote], design: Floats32
) -> Floats32:
    """Return what the trees read of items, their gaps filled by who votes on them.

    Parameters
    ----------
    index : SimilarityIndex
    items : Encoded
    found : sequence of Vote
        One for every item.
    design : float32 array, shape [n, n_columns]
        The items as they are (see `Encoder.design`).
    """
    filled = Filled.of(items)
    for row, ballot in enumerate(found):
        filled.fill(row, index.items, ballot.voters.rows, ballot.weights)
    return filled.design(design)


@dataclass(frozen=True)
class Decider:
    """Everything that chooses operations and their order.

    Attributes
    ----------
    encoder : Encoder
    index : SimilarityIndex
    sharpness : float
        Of a neighbour's vote (see `voting.vote`).
    book : RoutingBook
    trees : Forest
        One output for each step: log-odds of the item having it.
    order_book : OrderBook
    blend : Blend
    rule : Rule
    kin_weights : float32 array, shape [N_COMPARISONS]
        Of the comparisons in familiarity.
    fills_gaps : bool
        Whether the trees read items whose gaps the voters filled (see `filling`); those of models
        of earlier formats read items as they are.
    """

    encoder: Encoder
    index: SimilarityIndex
    sharpness: float
    book: RoutingBook
    trees: Forest
    order_book: OrderBook
    blend: Blend
    rule: Rule
    kin_weights: Floats32
    fills_gaps: bool = True

    def decide(self, item: Encoded, *, excluded: NDArray[np.intp] | None = None) -> Decision:
        """Rank routings for one item.

        Parameters
        ----------
        item : Encoded
            One item.
        excluded : intp array or None
            Items that must not vote, such as its own variants when training calibrates itself.
        """
        return next(self.decide_all(item, excluded=None if excluded is None else [excluded]))

    def decide_all(
        self, items: Encoded, *, excluded: Sequence[NDArray[np.intp]] | None = None
    ) -> Iterator[Decision]:
        """Rank routings for many items, whose trees are walked together.

        Parameters
        ----------
        items : Encoded
        excluded : sequence of intp arrays or None
            For each item those that must not vote on it.
        """
        for start in range(0, len(items), CHUNK):
            part = items.take(slice(start, start + CHUNK))
            own = None if excluded is None else excluded[start : start + CHUNK]
            yield from self._decided(part, own)

    def _decided(
        self, items: Encoded, excluded: Sequence[NDArray[np.intp]] | None
    ) -> Iterator[Decision]:
        found = list(ballots(self.index, self.book, self.sharpness, items, excluded))
        design = self.encoder.design(items)
        read = design
        if self.fills_gaps:
            read = filled_design(self.index, items, [ballot for _, ballot in found], design)
        odds, pairs = self.trees.predict(read), self.order_book.beliefs(design)
        for row, (similarity, ballot) in enumerate(found):
            frequency = ballot.weights @ self.book.contents[ballot.routings]
            evidence = Evidence(ballot, self.blend(odds[row], frequency), pairs[row])
            ranked = rank(evidence, self.book, self.order_book, self.rule, N_RANKED)
            item = items.take(slice(row, row + 1))
            familiarity = familiarity_of(self.index, self.kin_weights, item, ballot.voters)
            yield Decision(similarity, evidence, frequency, ranked, familiarity)
