"""Gaps of items, filled by those that resemble them."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from predictions.engine.routing.book import make_books
from predictions.engine.routing.decision import ballots, filled_design
from predictions.engine.routing.encoding import MISSING, Encoded
from predictions.engine.routing.filling import Filled
from predictions.engine.routing.learning.gaps import FilledRows
from predictions.engine.routing.learning.order import learn_order
from predictions.engine.routing.model import RoutingModel
from predictions.engine.routing.routings import Routing
from predictions.engine.routing.storage import dump, load
from predictions.engine.routing.tables import ItemTable


def _encoded(codes: list[list[int]], numbers: list[list[float]]) -> Encoded:
    scaled = np.array(numbers, dtype=np.float32)
    intervals = np.zeros(scaled.shape, dtype=np.uint8)
    return Encoded(np.array(codes, dtype=np.int16), scaled, scaled, intervals, ())


KNOWN = _encoded([[0], [1], [1], [MISSING]], [[1.0], [2.0], [10.0], [np.nan]])
VOTERS = np.arange(4)


def test_a_gap_takes_what_most_votes_say_and_the_middle_of_their_numbers() -> None:
    filled = Filled.of(_encoded([[MISSING]], [[np.nan]]))

    filled.fill(0, KNOWN, VOTERS, np.array([0.4, 0.3, 0.2, 0.1]))

    assert filled.codes.tolist() == [[1]]
    assert filled.numbers.tolist() == [[2.0]]


def test_what_an_item_says_itself_stays() -> None:
    item = _encoded([[0]], [[7.0]])
    filled = Filled.of(item)

    filled.fill(0, KNOWN, VOTERS, np.array([0.0, 0.5, 0.5, 0.0]))

    assert (filled.codes.tolist(), filled.numbers.tolist()) == ([[0]], [[7.0]])


def test_a_number_that_most_voters_lack_stays_missing() -> None:
    filled = Filled.of(_encoded([[MISSING]], [[np.nan]]))

    filled.fill(0, KNOWN, VOTERS, np.array([0.1, 0.0, 0.0, 0.9]))

    assert filled.codes.tolist() == [[0]]
    assert np.isnan(filled.numbers).all()


def test_a_gap_in_a_question_is_filled_from_its_voters(
    model: RoutingModel, split: tuple[ItemTable, ItemTable]
) -> None:
    decider = model.decider
    item = decider.encoder.encode(split[1].take(np.array([0])).columns())
    codes = item.codes.copy()
    codes[0, 0] = MISSING
    gap = dataclasses.replace(item, codes=codes)
    found = [vote for _, vote in ballots(decider.index, decider.book, decider.sharpness, gap, None)]

    read = filled_design(decider.index, gap, found, decider.encoder.design(gap))

    voted = decider.index.items.codes[found[0].voters.rows, 0]
    assert np.isnan(decider.encoder.design(gap)[0, 0])
    assert read[0, 0] in voted


def test_an_answer_says_what_was_assumed_for_an_empty_cell(
    model: RoutingModel, item: Mapping[str, Any]
) -> None:
    complete = {name: value for name, value in item.items() if value is not None}
    complete.pop("material")

    answer = model.propose(complete)

    found = {one["field"]: one for one in answer.to_dict()["explanation"]["assumed_features"]}
    assert found["material"]["label_ko"] == "재질"
    assert 0 < found["material"]["share"] <= 1
    assert not set(found) & set(complete)


def test_items_are_filled_once_and_never_by_their_own_variants(model: RoutingModel) -> None:
    decider = model.decider
    n_items, calls = len(decider.index), list[int]()
    design = decider.encoder.design(decider.index.items)
    everyone = np.zeros(n_items, dtype=np.intp)
    rows = FilledRows(decider.index, decider.book, decider.sharpness, everyone, design)

    alone = rows.of(np.arange(3), lambda: calls.append(1))
    again = rows.of(np.array([2, 0]), lambda: calls.append(1))

    assert np.array_equal(alone[[2, 0]], again, equal_nan=True)
    assert calls == [1]
    # All are variants of one item, so that nobody votes and every gap stays.
    numbers = decider.index.items.numbers[:3]
    assert np.array_equal(alone[:, -numbers.shape[1] :], numbers, equal_nan=True)


def test_a_stored_model_says_whether_its_trees_read_filled_items(model: RoutingModel) -> None:
    assert load(dump(model)).decider.fills_gaps


@pytest.mark.parametrize("first", ["FORGE", "SAW"])
def test_steps_that_no_routing_has_together_stand_where_each_stands_in_general(first: str) -> None:
    lines = ["FORGE TURN GRIND", "SAW TURN GRIND", "SAW LATHE GRIND"]
    routings = [
        Routing(
            tuple(line.split()),
            tuple(line.split()),
            np.ones(3),
            np.ones(3),
            (10, 20, 30),
            19_000,
        )
        for line in lines
    ]
    book = make_books(routings)[0]
    learnt = learn_order(book, np.arange(3), np.zeros((3, 2), dtype=np.float32), 0, seed=0)
    number = {operation: step for step, (operation, _) in enumerate(book.steps)}

    assert learnt.before[number[first], number["LATHE"]] > 0.9
    assert learnt.before[number["LATHE"], number[first]] < 0.1
