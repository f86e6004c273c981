"""Shots and models made once for all tests of the engine."""

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from predictions.engine.export import Exported, export
from predictions.engine.generator import GeneratedShots, generate
from predictions.engine.parameters import TrainingParams
from predictions.engine.serving import ServingModel, load
from predictions.engine.tables import ShotTable, read_table
from predictions.engine.training import TrainedModel, train

REAL_FILE = "diecasting/DieCasting_Quality_Raw_Data.csv"
BESIDE_PROJECT = Path(__file__).resolve().parents[4] / "shared" / "data"

SMALL = TrainingParams(
    n_estimators=40, max_depth=4, learning_rate=0.1, n_folds=3, n_inner_folds=2, n_bootstraps=40
)


@pytest.fixture(scope="session")
def generated() -> GeneratedShots:
    return generate(2_500, 11)


@pytest.fixture(scope="session")
def shots(generated: GeneratedShots) -> ShotTable:
    return generated.table()


@pytest.fixture(scope="session")
def matrix(shots: ShotTable) -> NDArray[np.float32]:
    return shots.matrix()


@pytest.fixture(scope="session")
def trained(shots: ShotTable) -> TrainedModel:
    return train(shots, SMALL, seed=3)


@pytest.fixture(scope="session")
def exported(trained: TrainedModel, matrix: NDArray[np.float32]) -> Exported:
    return export(trained, matrix[:600])


@pytest.fixture(scope="session")
def serving_model(exported: Exported) -> ServingModel:
    return load(exported.data)


@pytest.fixture(scope="session")
def real_shots() -> ShotTable:
    path = Path(os.environ.get("MILLWRIGHT_DATA", BESIDE_PROJECT)) / REAL_FILE
    if not path.exists():
        pytest.skip(f"the public file is not here: {path}")
    return read_table(path, require_label=True)
