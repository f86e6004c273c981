"""Weighted similarity and exact search."""

import numpy as np
import pytest

from predictions.engine.routing.learning.weights import learn_weights
from predictions.engine.routing.model import RoutingModel
from predictions.engine.routing.schema import CATEGORIES
from predictions.engine.routing.similarity import (
    COMPARED,
    FIELDS,
    N_COMPARISONS,
    NEUTRAL,
    SimilarityIndex,
    by_field,
    compare,
)
from predictions.engine.routing.tables import ItemTable
from predictions.engine.routing.validate import item_columns


def _reference(index: SimilarityIndex, query: object) -> np.ndarray:
    return compare(index.items, query) @ index.weights  # type: ignore[arg-type]  # an Encoded


def test_the_fast_similarity_equals_comparing_one_by_one(
    model: RoutingModel, split: tuple[ItemTable, ItemTable]
) -> None:
    index = model.decider.index
    queries = model.decider.encoder.encode(split[1].columns())

    for row in range(20):
        query = queries.take(slice(row, row + 1))
        expected = _reference(index, query)
        assert index.similarity(query) == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize(
    "item",
    [
        {"item_name": "PIN"},
        {"material": "UNOBTAINIUM"},
        {"outer_diameter_mm": 9_999.0, "item_type": "COVER"},
    ],
)
def test_it_does_so_for_strange_and_sparse_items(
    model: RoutingModel, item: dict[str, object]
) -> None:
    index = model.decider.index
    query = model.decider.encoder.encode(item_columns(item))

    assert index.similarity(query) == pytest.approx(_reference(index, query), abs=2e-6)


def test_the_k_nearest_are_those_of_a_full_sort(model: RoutingModel) -> None:
    index = model.decider.index
    query = index.items.take(slice(7, 8))
    everyone = index.similarity(query)

    found = index.search(query, 15)

    expected = np.lexsort((np.arange(len(everyone)), -everyone))[:15]
    assert found.rows.tolist() == expected.tolist()
    assert (np.diff(found.similarity) <= 0).all()


def test_excluded_items_never_come_back(model: RoutingModel) -> None:
    index = model.decider.index
    similarity = index.similarity(index.items.take(slice(7, 8)))
    similarity[[7, 8]] = -1

    found = index.nearest(similarity, len(index))

    assert len(found) == len(index) - 2
    assert not {7, 8} & set(found.rows.tolist())


def test_nothing_is_more_similar_to_a_complete_item_than_itself(model: RoutingModel) -> None:
    index = model.decider.index
    complete = np.flatnonzero((index.items.codes >= 0).all(axis=1))[:10]

    for row in complete:
        everyone = index.similarity(index.items.take(np.array([row])))
        assert everyone[row] == pytest.approx(everyone.max(), abs=1e-6)


def test_contributions_of_all_fields_sum_to_the_similarity(model: RoutingModel) -> None:
    index = model.decider.index
    query = index.items.take(slice(3, 4))
    rows = np.arange(30)

    parts = index.contributions(query, rows)

    assert parts.shape == (30, len(FIELDS))
    assert (parts >= 0).all()
    assert parts.sum(axis=1) == pytest.approx(index.similarity(query)[rows], abs=2e-6)
    assert index.field_weights.sum() == pytest.approx(1, abs=1e-5)


def test_a_gap_speaks_neither_for_a_match_nor_against_it(model: RoutingModel) -> None:
    encoder = model.decider.encoder
    pin, cover = (encoder.encode(item_columns({"item_type": t})) for t in ("PIN", "COVER"))
    unknown = encoder.encode(item_columns({"material": "SM45C"}))
    place = CATEGORIES.index("item_type")

    assert compare(pin, pin)[0, place] == 1
    assert compare(pin, cover)[0, place] == 0
    assert compare(pin, unknown)[0, place] == NEUTRAL


def test_two_values_nobody_knows_do_not_match(model: RoutingModel) -> None:
    encoder = model.decider.encoder
    one, other = (encoder.encode(item_columns({"material": m})) for m in ("XA", "XB"))

    assert compare(one, other)[0, CATEGORIES.index("material")] == 0


def test_comparisons_fold_to_fields_without_loss() -> None:
    parts = np.random.default_rng(0).random((4, N_COMPARISONS)).astype(np.float32)

    folded = by_field(parts)

    assert folded.sum(axis=1) == pytest.approx(parts.sum(axis=1), rel=1e-5)
    assert set(COMPARED) == set(FIELDS)


def test_weights_find_the_field_that_decides(model: RoutingModel) -> None:
    items = model.decider.index.items
    place = CATEGORIES.index("industry")
    decides = items.codes[:, place].astype(np.intp) + 2
    groups = np.arange(len(items))

    learned = learn_weights(items, decides, groups, np.random.default_rng(0), 60)

    by_name = dict(zip(FIELDS, by_field(learned.weights[None])[0].tolist(), strict=True))
    assert max(by_name, key=by_name.__getitem__) == "industry"
    assert learned.weights.min() >= 0
    assert learned.weights.sum() == pytest.approx(1, abs=1e-5)
