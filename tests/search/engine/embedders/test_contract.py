"""What every embedder keeps to, run over all of them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from search.engine.embedders import sentence
from search.engine.embedders.contract import Embedder
from search.engine.embedders.endpoint import EndpointEmbedder, Settings
from search.engine.embedders.lsa import LsaEmbedder
from search.engine.tokenids import TokenNumbers
from search.engine.tokenizers import tokenizer
from tests.search.engine.collection import passages
from tests.search.engine.embedders import models
from tests.search.engine.embedders.endpoint_server import counted, running

Made = Callable[[], Embedder]


def lsa() -> LsaEmbedder:
    words, numbers = tokenizer("bigram-1"), TokenNumbers()
    sample = [numbers.of(words.tokens(one.searched())) for one in passages()]
    return LsaEmbedder.fit(sample, words, np.random.default_rng(3), dimensions=16)


@pytest.fixture(params=["lsa", "onnx", "endpoint"])
def embedder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Embedder]:
    if request.param == "lsa":
        yield lsa()
    elif request.param == "onnx":
        models.save(tmp_path / "model")
        yield sentence.load({"folder": str(tmp_path / "model")})
    else:
        with running(counted) as server:
            yield EndpointEmbedder(Settings(server.url, "words"))


def test_vectors_are_float32_of_unit_length(embedder: Embedder) -> None:
    vectors = embedder.encode(["기공 가스", "수축 증압", "금형 온도"])
    assert vectors.dtype == np.float32
    assert vectors.shape == (3, embedder.dimensions)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-5)


def test_a_text_has_the_same_vector_alone_and_among_others(embedder: Embedder) -> None:
    alone = embedder.encode(["수축 증압"])[0]
    among = embedder.encode(["기공 가스 공기", "수축 증압", "금형"])[1]
    assert among == pytest.approx(alone, abs=1e-5)


def test_nothing_to_embed_gives_zeros(embedder: Embedder) -> None:
    assert not embedder.encode(["", " \n"]).any()
    assert embedder.encode([]).shape == (0, embedder.dimensions)


def test_it_says_what_it_is(embedder: Embedder) -> None:
    assert embedder.name
    assert len(embedder.version) == 16
