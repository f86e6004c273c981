"""One small plant for the product side of the routing family, and what is made of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from portal.core.actors import Actor
from portal.registry import services as registry
from portal.registry.models import ModelVersion
from portal.runs import artifacts
from predictions.engine.routing.generator import Generated, generate
from predictions.engine.routing.model import RoutingModel
from predictions.engine.routing.parameters import TrainingParams
from predictions.engine.routing.storage import dump
from predictions.engine.routing.tables import ItemTable, RoutingTable
from predictions.engine.routing.training import train
from predictions.models import Dataset
from predictions.services.routing import datasets, holdout, serving
from predictions.services.routing.models import GATE_POLICY, routing_model

ACTOR = Actor.system("test")
#: Two families keep the number of operations, and so of trees, small.
TYPES = ("PIN", "COVER")
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give whichever test trains the small model the time for it, on a busy machine too."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(600))


def only(items: ItemTable, types: tuple[str, ...]) -> ItemTable:
    names = items.columns()["item_type"]
    return items.take(np.flatnonzero(np.isin(names.astype(str), types)))


@pytest.fixture(scope="session")
def generated() -> Generated:
    return generate(1_600, 3)


@pytest.fixture(scope="session")
def plant(generated: Generated) -> tuple[ItemTable, RoutingTable]:
    """Give the items of a few families with their routings."""
    items = only(generated.items, TYPES)
    return items, generated.routings.of(items.codes())


@pytest.fixture(scope="session")
def files(generated: Generated, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Give an item master and a routing table as a user has them."""
    small = generate(150, 5)
    return small.write(tmp_path_factory.mktemp("plant"))


@pytest.fixture
def dataset(db: None, plant: tuple[ItemTable, RoutingTable]) -> Dataset:
    """Give the plant as a data set."""
    return datasets.keep_tables(*plant, name="Plant", actor=ACTOR)


@dataclass(frozen=True)
class SmallModel:
    """A trained model as it is stored, and items that it never saw."""

    model: RoutingModel
    data: bytes
    unseen: ItemTable
    routings: RoutingTable


@pytest.fixture(scope="session")
def small_model(plant: tuple[ItemTable, RoutingTable]) -> SmallModel:
    """Give one small model for the whole test run."""
    items, routings = plant
    division = holdout.divide(items)
    model = train(items.take(division.learnt), routings, TrainingParams.from_dict(SMALL), seed=3)
    unseen = items.take(division.held)
    return SmallModel(model, dump(model), unseen, routings.of(unseen.codes()))


@pytest.fixture
def make_version(db: None, small_model: SmallModel) -> Callable[..., ModelVersion]:
    """Give ``make_version(data=None)``: registers the small model, or other bytes, as a version."""

    def make(data: bytes | None = None) -> ModelVersion:
        model = routing_model()
        model.gate_policy = {**GATE_POLICY, "min_groups": 20}
        model.save(update_fields=["gate_policy"])
        frozen = datasets.save(small_model.unseen, small_model.routings)
        return registry.register_version(
            model=model,
            run=None,
            artifacts={serving.SERVING_FORM: artifacts.save(data or small_model.data, "test/npz")},
            evaluation_set=registry.freeze_evaluation_set(
                model=model,
                artifact=frozen,
                n_rows=small_model.unseen.n_rows,
                dataset_fingerprint="1" * 64,
            ),
            dataset_fingerprint="0" * 64,
            lineage={},
            signature=small_model.model.signature,
            evaluation={"findings": []},
            settings={},
            card="",
            is_synthetic=True,
        )

    return make


@pytest.fixture
def champion(make_version: Callable[..., ModelVersion]) -> Iterator[ModelVersion]:
    """Give a version that is champion and held by this process."""
    version = make_version()
    registry.bootstrap_champion(version=version, reason="test", actor=Actor.system("test"))
    serving.routing.take(version)
    yield version
    serving.routing.stop()


@pytest.fixture(scope="session")
def items(small_model: SmallModel) -> list[dict[str, Any]]:
    """Give unseen items as a client sends them, those that the small model does not refuse."""
    sent = [as_item(small_model.unseen, row) for row in range(30)]
    return [item for item in sent if not small_model.model.propose(item).is_refused]


#: Like nothing that the small model knows.
STRANGER = {
    "item_code": "X1",
    "item_name": "감속기 조립체",
    "item_type": "ASSEMBLY",
    "shape": "조립품",
    "material": "여러가지",
    "weight_kg": 40_000,
    "outer_diameter_mm": 9_000,
    "length_mm": 9_500,
    "tooth_count": 900,
    "lot_size": 1,
}


def as_item(table: ItemTable, row: int) -> dict[str, Any]:
    """Return one row of a table as a caller would send it."""
    values = table.data.slice(row, 1).to_pylist()[0]
    return {
        name: value.isoformat() if isinstance(value, date) else value
        for name, value in values.items()
    }


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
