"""Votes, beliefs, order."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictions.engine.routing.book import RoutingBook, make_books
from predictions.engine.routing.learning.order import learn_order
from predictions.engine.routing.order import OrderBook, arrange, orders
from predictions.engine.routing.routings import Routing, tokens
from predictions.engine.routing.similarity import Neighbours
from predictions.engine.routing.voting import (
    Blend,
    Evidence,
    Rule,
    Vote,
    likeliest_sets,
    rank,
    vote,
)

PLAIN = Rule(vote_weight=0.0, vote_floor=0.01, known_bonus=0.0)
KNOWN = ["SAW TURN", "SAW TURN GRIND", "SAW TURN GRIND", "TURN GRIND TURN"]


def _routing(text: str) -> Routing:
    operations = tuple(text.split())
    minutes = np.ones(len(operations))
    numbers = tuple(range(10, 10 * len(operations) + 1, 10))
    return Routing(operations, operations, minutes, minutes, numbers, 19_000)


@pytest.fixture
def book() -> RoutingBook:
    return make_books([_routing(text) for text in KNOWN])[0]


@pytest.fixture
def order_book(book: RoutingBook) -> OrderBook:
    design = np.zeros((len(KNOWN), 2), dtype=np.float32)
    return learn_order(book, np.arange(len(KNOWN)), design, 0, seed=0)


def _ballot(book: RoutingBook, similarity: list[float]) -> Vote:
    voters = Neighbours(np.arange(len(similarity)), np.array(similarity))
    return vote(voters, book.item_routing, 10.0)


def _evidence(book: RoutingBook, beliefs: dict[str, float], similarity: list[float]) -> Evidence:
    ballot = _ballot(book, similarity)
    line = np.array([beliefs.get(f"{name}{n or ''}", 0.01) for name, n in book.steps])
    return Evidence(ballot, line, np.empty(0))


def test_repeated_operations_are_different_steps(book: RoutingBook) -> None:
    assert tokens(("TURN", "GRIND", "TURN")) == (("TURN", 0), ("GRIND", 0), ("TURN", 1))
    assert book.operations(book.sequence(int(book.item_routing[3]))) == ("TURN", "GRIND", "TURN")


def test_whole_routings_gather_the_votes_of_equal_neighbours(book: RoutingBook) -> None:
    ballot = _ballot(book, [0.9, 0.9, 0.9, 0.5])

    routings, shares = ballot.shares()

    assert book.operations(book.sequence(int(routings[0]))) == ("SAW", "TURN", "GRIND")
    assert shares[0] == pytest.approx(2 / (3 + np.exp(-4)))
    assert shares.sum() == pytest.approx(1)


def test_beliefs_choose_among_the_routings_voted_for(
    book: RoutingBook, order_book: OrderBook
) -> None:
    evidence = _evidence(book, {"SAW": 0.99, "TURN": 0.99, "GRIND": 0.2}, [0.9, 0.9, 0.9, 0.9])

    best = rank(evidence, book, order_book, PLAIN, 3)[0]

    assert book.operations(best.steps) == ("SAW", "TURN")
    assert best.share == pytest.approx(0.25)
    assert not best.is_repaired


def test_a_set_no_neighbour_has_is_repaired_and_put_in_order(
    book: RoutingBook, order_book: OrderBook
) -> None:
    evidence = _evidence(book, {"SAW": 0.99, "TURN": 0.01, "GRIND": 0.99}, [0.9, 0.9, 0.9, 0.9])

    best = rank(evidence, book, order_book, PLAIN, 3)[0]

    assert book.operations(best.steps) == ("SAW", "GRIND")
    assert best.is_repaired


def test_ranked_routings_differ_and_their_weights_fall(
    book: RoutingBook, order_book: OrderBook
) -> None:
    evidence = _evidence(book, {"SAW": 0.6, "TURN": 0.9, "GRIND": 0.5}, [0.9, 0.8, 0.7, 0.6])

    ranked = rank(evidence, book, order_book, PLAIN, 5)

    assert len({one.steps for one in ranked}) == len(ranked)
    weights = [one.weight for one in ranked]
    assert weights == sorted(weights, reverse=True)
    assert sum(weights) <= 1 + 1e-9


@settings(deadline=None)
@given(st.lists(st.floats(0.02, 0.98), min_size=1, max_size=6), st.integers(1, 12))
def test_likeliest_sets_are_those_of_trying_all(beliefs: list[float], n: int) -> None:
    line = np.array(beliefs)

    def likelihood(chosen: np.ndarray) -> float:
        return float(np.where(chosen, np.log(line), np.log1p(-line)).sum())

    found = [likelihood(one) for one in likeliest_sets(line, n)]

    every = sorted(
        (likelihood(np.array(one)) for one in product([False, True], repeat=len(line))),
        reverse=True,
    )
    assert found == pytest.approx(every[: len(found)], abs=1e-9)
    assert len(found) == min(n, 2 ** len(line))


def test_a_blend_of_certainties_stays_between_none_and_all() -> None:
    blend = Blend(trees=1.0, neighbours=0.5, intercept=0.0)

    found = blend(np.array([-9.2, 0.0, 9.2]), np.array([0.0, 0.5, 1.0]))

    assert found[1] == pytest.approx(0.5)
    assert 0 < found[0] < 1e-3 < 1 - 1e-3 < found[2] < 1


def test_an_order_follows_the_pairwise_shares() -> None:
    before = np.array([[0.5, 0.1, 0.9], [0.9, 0.5, 0.9], [0.1, 0.1, 0.5]])

    assert arrange(before) == [1, 0, 2]


def test_a_step_in_doubt_gives_a_second_order() -> None:
    # The third step stands before both others or behind both.
    before = np.array([[0.5, 1.0, 0.4], [0.0, 0.5, 0.4], [0.6, 0.6, 0.5]])

    found = orders(before)

    assert (found.first, found.second) == ([2, 0, 1], [0, 1, 2])
    assert found.doubt == pytest.approx(0.4)
    assert orders(np.array([[0.5, 1.0], [0.0, 0.5]])).second is None


def test_pairs_that_occur_both_ways_follow_the_item() -> None:
    texts = ["SAW DEBURR PAINT", "SAW PAINT DEBURR"] * 40
    book = make_books([_routing(text) for text in texts])[0]
    design = np.tile(np.array([[0.0], [1.0]], dtype=np.float32), (40, 1))

    learned = learn_order(book, np.arange(80), design, 0, seed=0)

    assert len(learned.pairs) == 1
    first = book.steps[int(learned.pairs[0, 0])][0]
    chance = learned.beliefs(np.array([[0.0], [1.0]], dtype=np.float32))[:, 0]
    assert (chance[0] > 0.9) == (first == "DEBURR")
    assert abs(chance[0] - chance[1]) > 0.8
