"""A small corpus for the lab's tests, made once."""

from pathlib import Path

import pytest

from search.lab.engine import corpora
from search.lab.engine.corpora import Corpus


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Give 2,000 generated passages and their vectors of 32 dimensions."""
    folder: Path = tmp_path_factory.mktemp("corpora")
    return corpora.with_vectors(folder, corpora.generated(folder, 2_000), 32)
