"""One small plant for the product side of the routing family, and what is made of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from portal.core.actors import Actor
from predictions.engine.routing.generator import Generated, generate
from predictions.engine.routing.tables import ItemTable, RoutingTable
from predictions.models import Dataset
from predictions.services.routing import datasets

ACTOR = Actor.system("test")
#: Three families keep the number of operations, and so of trees, small.
TYPES = ("PIN", "COVER", "RING")
#: Quick, and good enough to be better than a look-up.
SMALL = {
    "n_trees": 8,
    "learning_rate": 0.3,
    "n_time_trees": 5,
    "n_anchors": 60,
    "max_calibration_items": 100,
    "calibration_share": 0.3,
}

Import = Callable[..., Dataset]


def only(items: ItemTable, types: tuple[str, ...]) -> ItemTable:
    names = items.columns()["item_type"]
    return items.take(np.flatnonzero(np.isin(names.astype(str), types)))


def steps_of(items: ItemTable, routings: RoutingTable) -> RoutingTable:
    chosen = np.isin(routings.column("item_code").astype(str), items.codes())
    return RoutingTable(routings.data.filter(chosen), routings.source)


@pytest.fixture(scope="session")
def generated() -> Generated:
    return generate(1_500, 3)


@pytest.fixture(scope="session")
def plant(generated: Generated) -> tuple[ItemTable, RoutingTable]:
    """Give the items of a few families with their routings."""
    items = only(generated.items, TYPES)
    return items, steps_of(items, generated.routings)


@pytest.fixture(scope="session")
def files(generated: Generated, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Give an item master and a routing table as a user has them."""
    small = generate(150, 5)
    return small.write(tmp_path_factory.mktemp("plant"))


@pytest.fixture
def dataset(db: None, plant: tuple[ItemTable, RoutingTable]) -> Dataset:
    """Give the plant as a data set."""
    return datasets.keep_tables(*plant, name="Plant", actor=ACTOR)


@pytest.fixture
def imported(db: None, files: tuple[Path, Path]) -> Import:
    """Give ``imported(...)``: the files as a data set."""

    def make(**changes: Any) -> Dataset:
        items, routings = files
        given: dict[str, Any] = {
            "items": datasets.Upload(items),
            "routings": datasets.Upload(routings),
            "name": "Plant",
            "actor": ACTOR,
        }
        return datasets.import_routings(**(given | changes))

    return make
