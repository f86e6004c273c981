"""Which comparisons tell items of known kinds from strangers."""

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

from predictions.engine.routing.decision import familiarity_of
from predictions.engine.routing.encoding import MISSING
from predictions.engine.routing.generator import Generated
from predictions.engine.routing.learning.familiarity import (
    KIND,
    learn_familiarity,
    learn_kin_weights,
)
from predictions.engine.routing.model import RoutingModel
from predictions.engine.routing.similarity import COMPARED, PLAIN, SimilarityIndex
from predictions.engine.routing.splits import variant_groups
from predictions.engine.routing.storage import dump, load
from tests.predictions.engine.routing.conftest import of_type

KINDS = ("PIN", "COVER", "SHAFT", "HOUSING")

Rows = NDArray[np.intp]


@pytest.fixture(scope="module")
def plant(generated: Generated, model: RoutingModel) -> tuple[SimilarityIndex, Rows]:
    """Give items of four kinds in an index, and which of them are variants of one another."""
    items = of_type(generated, KINDS)
    encoded = model.decider.encoder.encode(items.columns())
    # The small model knows two of the kinds; here every name has a code of its own.
    names = items.columns()["item_type"].tolist()
    encoded.codes[:, KIND] = [KINDS.index(name) for name in names]
    return SimilarityIndex(encoded, model.decider.index.weights), variant_groups(items)


def test_weights_are_a_mean_and_look_at_the_kind(plant: tuple[SimilarityIndex, Rows]) -> None:
    index, groups = plant

    weights = learn_kin_weights(index, np.arange(len(index)), groups)

    assert weights.sum() == pytest.approx(1, abs=1e-5)
    assert (weights >= 0).all()
    assert weights[COMPARED.index("item_type")] == weights.max()


def test_strangers_are_told_apart_better_than_by_equal_weights(
    plant: tuple[SimilarityIndex, Rows],
) -> None:
    whole, groups = plant
    is_strange = whole.items.codes[:, KIND] == KINDS.index("HOUSING")
    rest = np.flatnonzero(~is_strange)
    index = SimilarityIndex(whole.items.take(rest), whole.weights)
    weights = learn_kin_weights(index, np.arange(len(rest)), groups[rest])

    def refused(kin_weights: NDArray[np.float32]) -> float:
        known = learn_familiarity(index, kin_weights, np.arange(len(rest)), groups[rest], 0.02)
        familiar = []
        for row in np.flatnonzero(is_strange):
            one = whole.items.take(slice(row, row + 1))
            familiar.append(familiarity_of(index, kin_weights, one, index.search(one, 60)))
        return float((np.array(familiar) < known.threshold).mean())

    assert refused(weights) >= refused(PLAIN)
    assert refused(weights) > 0.8


@pytest.mark.parametrize("kept", [("PIN",), ("PIN", "COVER")])
def test_with_too_few_kinds_all_fields_count_alike(
    plant: tuple[SimilarityIndex, Rows], kept: tuple[str, ...]
) -> None:
    index, groups = plant
    rows = np.flatnonzero(np.isin(index.items.codes[:, KIND], [KINDS.index(one) for one in kept]))
    few = SimilarityIndex(index.items.take(rows), index.weights)

    weights = learn_kin_weights(few, np.arange(len(rows)), groups[rows])

    np.testing.assert_array_equal(weights, PLAIN)


def test_items_without_a_kind_teach_what_is_usual_only(
    plant: tuple[SimilarityIndex, Rows],
) -> None:
    index, groups = plant
    codes = index.items.codes.copy()
    codes[40:, KIND] = MISSING
    unnamed = SimilarityIndex(dataclasses.replace(index.items, codes=codes), index.weights)

    weights = learn_kin_weights(unnamed, np.arange(len(codes)), groups)

    np.testing.assert_array_equal(weights, PLAIN)


def test_the_weights_are_stored_with_the_model(model: RoutingModel) -> None:
    weights = np.linspace(0, 1, len(PLAIN), dtype=np.float32)
    changed = dataclasses.replace(
        model, decider=dataclasses.replace(model.decider, kin_weights=weights)
    )

    np.testing.assert_array_equal(load(dump(changed)).decider.kin_weights, weights)
