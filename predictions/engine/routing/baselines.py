"""What a routing model has to beat: votes and look-ups without learned weights or repair.

All are fitted on training items only and propose routings that some training item has, but for the
vote per sequence number, which mixes them.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from portal.lib.coded import gettext_noop
from predictions.engine.routing.routings import Operations, Routing
from predictions.engine.routing.schema import CATEGORIES, DATES, NUMBERS
from predictions.engine.routing.specification import Column
from predictions.engine.routing.tables import Columns

#: Neighbours that vote, as in the measurement these baselines repeat.
K = 10
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Guess:
    """What a baseline says of one item.

    Attributes
    ----------
    ranked : tuple of Operations
        Distinct routings, best first.
    total_minutes : float
        Of the item whose routing it is (or the mean of the voters).
    """

    ranked: tuple[Operations, ...]
    total_minutes: float


Guesser = Callable[[Columns, Sequence[Routing], Columns], list[Guess]]


@dataclass(frozen=True)
class Baseline:
    """A baseline by name; `guess` gets training items, their routings and test items."""

    name: str
    label: str
    guess: Guesser


def ordinal_vectors(train: Columns, test: Columns) -> tuple[Matrix, Matrix]:
    """Return items as numbers: categories by rank of their code, everything standardized.

    Missing values become the mean. The distance between two category codes means nothing, which is
    what is wrong with it.
    """
    blocks = [_ordinal(train[name], test[name]) for name in CATEGORIES]
    blocks += [_number(train[name], test[name]) for name in (*NUMBERS, *DATES)]
    return _standardized(blocks)


def one_hot_vectors(train: Columns, test: Columns) -> tuple[Matrix, Matrix]:
    """Return items with one column for each category value and standardized numbers."""
    left, right = _standardized([_number(train[name], test[name]) for name in (*NUMBERS, *DATES)])
    for name in CATEGORIES:
        values = sorted({value for value in train[name] if value is not None})
        left = np.column_stack([left, train[name][:, None] == np.array(values, dtype=object)])
        right = np.column_stack([right, test[name][:, None] == np.array(values, dtype=object)])
    return left.astype(np.float64), right.astype(np.float64)


def sequence_vote(train: Columns, routings: Sequence[Routing], test: Columns) -> list[Guess]:
    """Let neighbours vote for each sequence number on its own, over ordinal vectors."""
    guesses = []
    for near in _nearest(ordinal_vectors(train, test)):
        voters = [routings[row] for row in near]
        length = round(float(np.median([len(voter.operations) for voter in voters])))
        columns = [
            Counter(v.operations[place] for v in voters if len(v.operations) > place)
            for place in range(length)
        ]
        line = tuple(column.most_common(1)[0][0] for column in columns if column)
        guesses.append(Guess((line,), float(np.mean([v.total_minutes for v in voters]))))
    return guesses


def ordinal_vote(train: Columns, routings: Sequence[Routing], test: Columns) -> list[Guess]:
    """Let neighbours vote on whole routings, over the same ordinal vectors."""
    return _whole_vote(ordinal_vectors(train, test), routings)


def one_hot_vote(train: Columns, routings: Sequence[Routing], test: Columns) -> list[Guess]:
    """Let neighbours vote on whole routings, over one-hot vectors."""
    return _whole_vote(one_hot_vectors(train, test), routings)


def nearest_neighbour(train: Columns, routings: Sequence[Routing], test: Columns) -> list[Guess]:
    """Copy the routing of the nearest item, over one-hot vectors."""
    guesses = []
    for near in _nearest(one_hot_vectors(train, test)):
        ranked = tuple(dict.fromkeys(routings[row].operations for row in near))
        guesses.append(Guess(ranked, routings[near[0]].total_minutes))
    return guesses


def most_frequent(train: Columns, routings: Sequence[Routing], test: Columns) -> list[Guess]:
    """Give every item the most frequent routing of its item type."""
    types = [value or "" for value in train["item_type"]]
    overall = _frequent(routings)
    by_type: Mapping[str, Guess] = {
        name: _frequent([r for r, kind in zip(routings, types, strict=True) if kind == name])
        for name in set(types)
    }
    return [by_type.get(value or "", overall) for value in test["item_type"]]


BASELINES: tuple[Baseline, ...] = (
    Baseline("most_frequent", gettext_noop("Most frequent routing of the type"), most_frequent),
    Baseline("sequence_vote", gettext_noop("Vote per sequence, ordinal codes"), sequence_vote),
    Baseline("ordinal_vote", gettext_noop("Vote on whole routings, ordinal codes"), ordinal_vote),
    Baseline("nearest", gettext_noop("Nearest item, one-hot"), nearest_neighbour),
    Baseline("one_hot_vote", gettext_noop("Vote on whole routings, one-hot"), one_hot_vote),
)


def _whole_vote(vectors: tuple[Matrix, Matrix], routings: Sequence[Routing]) -> list[Guess]:
    guesses = []
    for near in _nearest(vectors):
        votes = Counter(routings[row].operations for row in near)
        # most_common keeps the order of first sight for ties: the nearer routing wins.
        ranked = tuple(operations for operations, _ in votes.most_common())
        totals = [routings[row].total_minutes for row in near]
        guesses.append(Guess(ranked, float(np.mean(totals))))
    return guesses


def _nearest(vectors: tuple[Matrix, Matrix]) -> NDArray[np.intp]:
    train, test = vectors
    search = NearestNeighbors(n_neighbors=min(K, len(train)), algorithm="brute").fit(train)
    return np.asarray(search.kneighbors(test, return_distance=False), dtype=np.intp)


def _frequent(routings: Sequence[Routing]) -> Guess:
    counts = Counter(routing.operations for routing in routings)
    total = float(np.mean([routing.total_minutes for routing in routings]))
    return Guess(tuple(operations for operations, _ in counts.most_common(10)), total)


def _ordinal(train: Column, test: Column) -> tuple[Matrix, Matrix]:
    known = sorted({value for value in train if value is not None})
    rank = {value: float(place) for place, value in enumerate(known)}
    left = np.array([rank.get(value, np.nan) for value in train])
    return left, np.array([rank.get(value, np.nan) for value in test])


def _number(train: Column, test: Column) -> tuple[Matrix, Matrix]:
    return train.astype(np.float64), test.astype(np.float64)


def _standardized(blocks: Sequence[tuple[Matrix, Matrix]]) -> tuple[Matrix, Matrix]:
    left = np.column_stack([block[0] for block in blocks])
    right = np.column_stack([block[1] for block in blocks])
    known = np.isfinite(left)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, left, 0).sum(axis=0) / count
    spread = np.sqrt(np.where(known, (left - mean) ** 2, 0).sum(axis=0) / count)
    spread[spread == 0] = 1.0
    return (
        np.nan_to_num((left - mean) / spread, nan=0.0),
        np.nan_to_num((right - mean) / spread, nan=0.0),
    )
