"""The default embedder: its decomposition against numpy, its sense of nearness."""

from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from search.engine.embedders.contract import normalized, unit
from search.engine.embedders.lsa import Counts, LsaEmbedder
from search.engine.svd import right_singular_vectors
from search.engine.tokenids import TokenNumbers
from search.engine.tokenizers import tokenizer
from tests.search.engine.collection import generated

WORDS = tokenizer("bigram-1")


def _fitted(count: int = 200, dimensions: int = 24) -> LsaEmbedder:
    numbers = TokenNumbers()
    sample = [numbers.of(WORDS.tokens(one.searched())) for one in generated(count)]
    return LsaEmbedder.fit(sample, WORDS, np.random.default_rng(0), dimensions=dimensions)


def test_singular_vectors_agree_with_numpy() -> None:
    generator = np.random.default_rng(1)
    low_rank = generator.standard_normal((80, 6)) @ generator.standard_normal((6, 50))
    dense = (low_rank + 0.01 * generator.standard_normal((80, 50))).astype(np.float32)
    vectors, values = right_singular_vectors(csr_array(dense), 5, np.random.default_rng(2))
    _, expected_values, expected = np.linalg.svd(dense, full_matrices=False)
    assert values == pytest.approx(expected_values[:5], rel=1e-3)
    assert np.abs(vectors.T @ expected[:5].T) == pytest.approx(np.eye(5), abs=1e-2)
    assert (vectors[np.abs(vectors).argmax(axis=0), np.arange(5)] > 0).all()


def test_counts_by_hand() -> None:
    texts = [np.array([7, 3, 7], np.uint32), np.array([], np.uint32), np.array([3], np.uint32)]
    counts = Counts.of(texts)
    assert counts.rows.tolist() == [0, 0, 2]
    assert counts.tokens.tolist() == [3, 7, 3]
    assert counts.counts.tolist() == [1, 2, 1]
    assert counts.lengths.tolist() == [3, 0, 1]


def test_what_shares_words_is_nearer() -> None:
    embedder = _fitted()
    query, near, far = embedder.encode(["런너 코어핀", "코어핀과 런너를 점검", "이형제 냉각수"])
    assert query @ near > query @ far


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    embedder = _fitted()
    embedder.save(tmp_path)
    loaded = LsaEmbedder.load(tmp_path, WORDS, embedder.mean_length, embedder.version)
    texts = ["금형 온도", "모르는낱말뿐"]
    assert np.array_equal(loaded.encode(texts), embedder.encode(texts))
    assert loaded.version == embedder.version
    assert {path.suffix for path in tmp_path.iterdir()} == {".npy"}


def test_a_sample_of_low_rank_leaves_the_rest_zero() -> None:
    embedder = _fitted(count=5, dimensions=24)
    vectors = embedder.encode(["런너 점검", "금형 점검"])
    assert vectors.shape == (2, 24)
    assert not vectors[:, 5:].any()


def test_the_version_tells_what_was_learnt() -> None:
    assert _fitted().version == _fitted().version
    assert _fitted().version != _fitted(count=150).version


def test_one_vector_is_made_unit_as_many_are() -> None:
    generator = np.random.default_rng(5)
    for one in (generator.standard_normal(16), np.zeros(16), np.full(16, np.nan)):
        vector = one.astype(np.float32)
        assert np.allclose(unit(vector), normalized(vector[np.newaxis, :])[0])
