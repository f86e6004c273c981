"""From neighbours to ranked routings: vote on whole routings, repair by operation, put in order.

Voting for each sequence number mixes routings that do not go together, so neighbours vote on whole
routings first. Beliefs about each step (trees over the item's own attributes, blended with the
neighbours) then rank the voted routings together with repaired ones: the sets of steps that the
beliefs make likeliest, in an order learned from whole routings. NumPy only.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictions.engine.routing.book import Bools, RoutingBook
from predictions.engine.routing.order import OrderBook, orders
from predictions.engine.routing.similarity import Neighbours

Floats = NDArray[np.float64]

#: Neighbours who vote. Ours; their weight falls exponentially with similarity.
N_VOTERS = 60
#: Repaired sets looked at, and steps in doubt that they may differ in.
N_REPAIRS = 12
N_DOUBTFUL = 10
#: Beliefs are cut here: nobody is surer than one in ten thousand.
SUREST = 1e-4
#: Frequencies among neighbours are cut here before they are blended: half a vote in a hundred.
RAREST = 0.005


@dataclass(frozen=True)
class Vote:
    """What the neighbours say.

    Attributes
    ----------
    voters : Neighbours
    weights : float64 array, shape [k]
        What every neighbour's vote counts, of sum 1.
    routings : int array, shape [k]
        The routing each votes for.
    """

    voters: Neighbours
    weights: Floats
    routings: NDArray[np.integer]

    def shares(self) -> tuple[NDArray[np.integer], Floats]:
        """Return distinct routings and their shares, the largest first."""
        distinct, inverse = np.unique(self.routings, return_inverse=True)
        shares = np.bincount(inverse, self.weights)
        order = np.argsort(-shares, kind="stable")
        return distinct[order], shares[order].astype(np.float64)


def vote(voters: Neighbours, item_routing: NDArray[np.integer], sharpness: float) -> Vote:
    """Weigh neighbours by exp(sharpness * similarity), as the weights were learned."""
    logits = sharpness * (voters.similarity - voters.similarity.max(initial=0.0))
    weights = np.exp(logits)
    return Vote(voters, weights / weights.sum(), item_routing[voters.rows])


def logit(share: Floats, least: float = SUREST) -> Floats:
    """Return log-odds, cut."""
    cut = np.clip(share, least, 1 - least)
    return np.asarray(np.log(cut) - np.log1p(-cut))


@dataclass(frozen=True)
class Blend:
    """How tree beliefs and neighbour frequencies make one belief: a logistic regression."""

    trees: float
    neighbours: float
    intercept: float

    def __call__(self, tree_logit: Floats, frequency: Floats) -> Floats:
        """Return beliefs between 0 and 1."""
        mixed = self.trees * tree_logit + self.neighbours * logit(frequency, RAREST)
        return np.asarray(1 / (1 + np.exp(-(mixed + self.intercept))))


@dataclass(frozen=True)
class Rule:
    """How voted and repaired routings are ranked.

    The score is the log-likelihood of the set of steps under the beliefs, plus `vote_weight` times
    log(vote share + `vote_floor`), plus `known_bonus` if any training item has this set.
    """

    vote_weight: float
    vote_floor: float
    known_bonus: float


@dataclass(frozen=True)
class RankedRouting:
    """One candidate routing.

    Attributes
    ----------
    steps : tuple of int
        Step numbers in order.
    share : float
        Share of the votes for this set of steps.
    weight : float
        Its likelihood against the other candidates, of sum 1 over all looked at.
    is_repaired : bool
        Whether no neighbour has this set.
    """

    steps: tuple[int, ...]
    share: float
    weight: float
    is_repaired: bool


@dataclass(frozen=True)
class Evidence:
    """What is known about one item when its routing is chosen.

    Attributes
    ----------
    ballot : Vote
        What the neighbours say.
    beliefs : float64 array, shape [n_steps]
        Probability of every step.
    pair_beliefs : float64 array, shape [n_pairs]
        Probability of either order, where both occur (see `order.OrderBook`).
    """

    ballot: Vote
    beliefs: Floats
    pair_beliefs: Floats


def rank(
    evidence: Evidence, book: RoutingBook, order_book: OrderBook, rule: Rule, n: int
) -> list[RankedRouting]:
    """Return the likeliest routings, best first, none twice.

    Parameters
    ----------
    evidence : Evidence
    book : RoutingBook
    order_book : OrderBook
    rule : Rule
    n : int
        How many, at most.
    """
    sets, shares, weights = weighted_sets(evidence, book, rule)
    ballot = evidence.ballot
    ranked: list[RankedRouting] = []
    for candidate in np.argsort(-weights, kind="stable")[:n]:
        steps = np.flatnonzero(sets[candidate])
        if not len(steps):
            continue
        voters = (ballot.routings, ballot.weights)
        found = orders(order_book.between(book, voters, evidence.pair_beliefs, steps))
        share, weight = float(shares[candidate]), float(weights[candidate])
        for order, part in ((found.first, 1 - found.doubt), (found.second, found.doubt)):
            if order is not None:
                line = tuple(int(steps[place]) for place in order)
                ranked.append(RankedRouting(line, share, weight * part, share == 0.0))
    return sorted(ranked, key=lambda one: -one.weight)[:n]


def weighted_sets(
    evidence: Evidence, book: RoutingBook, rule: Rule
) -> tuple[Bools, Floats, Floats]:
    """Return candidate sets of steps [m, n_steps], their vote shares and their likelihoods."""
    ballot = evidence.ballot
    candidates: dict[bytes, float] = {}
    for line, weight in zip(book.contents[ballot.routings], ballot.weights, strict=True):
        key = line.tobytes()
        candidates[key] = candidates.get(key, 0.0) + float(weight)
    for line in likeliest_sets(evidence.beliefs, N_REPAIRS):
        candidates.setdefault(line.tobytes(), 0.0)
    sets = np.frombuffer(b"".join(candidates), dtype=bool).reshape(len(candidates), -1)
    shares = np.array(list(candidates.values()))
    is_known = np.array([key in book.known_sets for key in candidates])
    scores = set_scores(sets, shares, is_known, evidence.beliefs, rule)
    likelihood = np.exp(scores - scores.max())
    return sets, shares, likelihood / likelihood.sum()


def set_scores(sets: Bools, shares: Floats, is_known: Bools, beliefs: Floats, rule: Rule) -> Floats:
    """Return the score of every set (see `Rule`), shape [n_sets]."""
    cut = np.clip(beliefs, SUREST, 1 - SUREST)
    fit = sets @ np.log(cut) + ~sets @ np.log1p(-cut)
    return np.asarray(
        fit + rule.vote_weight * np.log(shares + rule.vote_floor) + rule.known_bonus * is_known
    )


def likeliest_sets(beliefs: Floats, n: int) -> Iterator[Bools]:
    """Yield the n sets of steps that independent beliefs make likeliest, best first.

    The first has every step believed in by more than half; the others differ from it in steps in
    doubt, cheapest first (best-first search over subsets, Lawler, Management Science 18, 1972).
    """
    best = beliefs > 0.5
    yield best
    costs = np.abs(logit(beliefs))
    doubtful = np.argsort(costs, kind="stable")[:N_DOUBTFUL]
    cost = costs[doubtful]
    queue: list[tuple[float, tuple[int, ...]]] = [(float(cost[0]), (0,))] if len(cost) else []
    for _ in range(n - 1):
        if not queue:
            return
        paid, flips = heapq.heappop(queue)
        line = best.copy()
        line[doubtful[list(flips)]] ^= True
        yield line
        last = flips[-1]
        if last + 1 < len(cost):
            onward = float(cost[last + 1])
            heapq.heappush(queue, (paid + onward, (*flips, last + 1)))
            heapq.heappush(queue, (paid + onward - float(cost[last]), (*flips[:-1], last + 1)))
