"""Equal seeds, equal models; marked slow because it trains a second time."""

import pytest

from predictions.engine.routing.generator import Generated
from predictions.engine.routing.model import RoutingModel
from predictions.engine.routing.tables import ItemTable
from predictions.engine.routing.training import train
from tests.predictions.engine.routing.conftest import SMALL, as_item


@pytest.mark.slow
def test_equal_seeds_make_equal_models(
    split: tuple[ItemTable, ItemTable], generated: Generated, model: RoutingModel
) -> None:
    again = train(split[0], generated.routings, SMALL, seed=1)

    item = as_item(split[1], 1)
    assert again.propose(item) == model.propose(item)
    assert again.report == model.report
