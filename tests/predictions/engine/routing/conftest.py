"""One small plant and one small model for all tests of the routing family."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
import pytest

from predictions.engine.routing.generator import Generated, generate
from predictions.engine.routing.model import RoutingModel
from predictions.engine.routing.parameters import TrainingParams
from predictions.engine.routing.splits import hold_out
from predictions.engine.routing.tables import ItemTable
from predictions.engine.routing.training import train

#: Two families keep the number of operations, and so of models, small.
KNOWN_TYPES = ("PIN", "COVER")
COLD_TYPE = "GEAR"
SMALL = TrainingParams(
    n_trees=10,
    learning_rate=0.3,
    n_time_trees=5,
    n_anchors=80,
    max_calibration_items=100,
    calibration_share=0.3,
)


def as_item(table: ItemTable, row: int) -> dict[str, Any]:
    """Return one row of a table as a caller would send it."""
    values = table.data.slice(row, 1).to_pylist()[0]
    return {
        name: value.isoformat() if isinstance(value, date) else value
        for name, value in values.items()
    }


def of_type(generated: Generated, types: tuple[str, ...]) -> ItemTable:
    names = generated.items.columns()["item_type"]
    return generated.items.take(np.flatnonzero(np.isin(names.astype(str), types)))


@pytest.fixture(scope="session")
def generated() -> Generated:
    return generate(1_200, 3)


@pytest.fixture(scope="session")
def known(generated: Generated) -> ItemTable:
    return of_type(generated, KNOWN_TYPES)


@pytest.fixture(scope="session")
def cold(generated: Generated) -> ItemTable:
    return of_type(generated, (COLD_TYPE,))


@pytest.fixture(scope="session")
def split(known: ItemTable) -> tuple[ItemTable, ItemTable]:
    train_rows, test_rows = hold_out(known, seed=1)
    return known.take(train_rows), known.take(test_rows)


@pytest.fixture(scope="session")
def model(split: tuple[ItemTable, ItemTable], generated: Generated) -> RoutingModel:
    return train(split[0], generated.routings, SMALL, seed=1)


@pytest.fixture
def item(split: tuple[ItemTable, ItemTable]) -> Mapping[str, Any]:
    return as_item(split[1], 0)
