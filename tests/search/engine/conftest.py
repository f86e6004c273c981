"""A small collection about die casting, built once."""

from pathlib import Path

import pytest

from search.engine.building import build
from search.engine.index import Index, open_index
from search.engine.options import BuildOptions
from search.engine.passages import Passage
from tests.search.engine.collection import passages


@pytest.fixture(scope="session")
def plant() -> list[Passage]:
    return passages()


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, plant: list[Passage]) -> Path:
    folder = tmp_path_factory.mktemp("index") / "v1"
    build(plant, folder, BuildOptions(n_validation=20))
    return folder


@pytest.fixture
def index(built: Path) -> Index:
    return open_index(built)
