"""The vector leg against brute force: recall, filters, shards."""

from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from search.engine.embedders.contract import Vectors, normalized
from search.engine.problems import IndexDamaged
from search.engine.selection import Selection, everything
from search.engine.validation import exact_scores, recall_at
from search.engine.vectors import EXACT, FLOATS, HNSW, VectorIndex, build_shard, shard_name

N, DIMENSIONS = 12_000, 16


def _clustered(count: int, seed: int) -> Vectors:
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((60, DIMENSIONS))
    noise = generator.standard_normal((count, DIMENSIONS))
    return normalized(centres[generator.integers(0, 60, count)] + 0.6 * noise)


def _saved(
    folder: Path, vectors: Vectors, kind: str, sizes: list[int], bits: int = 4
) -> VectorIndex:
    np.save(folder / FLOATS, vectors)
    start = 0
    for number, size in enumerate(sizes):
        built = list(build_shard(
            vectors[start : start + size], vectors[:2000], kind=kind, code_bits=bits, m=16,
            ef_construction=80, batch=2000,
        ))  # fmt: skip
        faiss.write_index(built[-1][1], str(folder / shard_name(number)))
        start += size
    return VectorIndex.open(folder, sizes, kind, 96)


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    return _clustered(N, 0)


@pytest.fixture(scope="module")
def queries() -> Vectors:
    return _clustered(40, 1)


@pytest.fixture(scope="module", params=[(EXACT, [N]), (HNSW, [N]), (HNSW, [8000, 4000])])
def index(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, vectors: Vectors
) -> VectorIndex:
    kind, sizes = request.param
    return _saved(tmp_path_factory.mktemp("vectors"), vectors, kind, sizes)


def _recall(
    index: VectorIndex, vectors: Vectors, queries: Vectors, selection: Selection | None
) -> float:
    rows = np.arange(N) if selection is None else selection.rows
    best = exact_scores(np.ascontiguousarray(vectors[rows]), queries)
    found = []
    for query, own in zip(queries, best, strict=True):
        keys, scores = index.search(query, 10, selection)
        assert len(keys) == min(10, len(rows))
        assert len(set(keys.tolist())) == len(keys)
        assert (np.diff(scores) <= 0).all()
        assert scores == pytest.approx(vectors[keys] @ query, abs=1e-5)
        found.append(recall_at(scores, own))
    return float(np.mean(found))


def test_recall_against_brute_force(index: VectorIndex, vectors: Vectors, queries: Vectors) -> None:
    assert _recall(index, vectors, queries, None) >= 0.95


@pytest.mark.parametrize("share", [0.0005, 0.01, 0.1, 0.5, 0.9])
def test_recall_and_k_rows_under_filters(
    index: VectorIndex, vectors: Vectors, queries: Vectors, share: float
) -> None:
    rows = np.flatnonzero(np.random.default_rng(5).random(N) < share)
    selection = Selection.of_rows(rows, N, (), exact=False)
    floor = 0.95 if share > 0.5 else 0.99
    assert _recall(index, vectors, queries, selection) >= floor


def test_a_selection_in_one_corner_is_still_filled(index: VectorIndex, vectors: Vectors) -> None:
    # All allowed rows are the farthest ones, where a graph search never comes.
    query = vectors[0]
    rows = np.argsort(vectors @ query)[: N * 6 // 10]
    selection = Selection.of_rows(rows, N, (), exact=False)
    keys, _ = index.search(query, 50, selection)
    assert len(keys) == 50
    assert selection.contains(keys).all()


def test_a_search_takes_no_second_thread(index: VectorIndex, queries: Vectors) -> None:
    faiss.omp_set_num_threads(2)
    index.search(queries[0], 10)
    assert faiss.omp_get_max_threads() == 1


def test_an_empty_selection_gives_nothing(index: VectorIndex, queries: Vectors) -> None:
    selection = Selection.of_rows(np.empty(0, np.int64), N, (), exact=False)
    assert len(index.search(queries[0], 10, selection)[0]) == 0


def test_a_damaged_graph_is_refused(tmp_path: Path, vectors: Vectors) -> None:
    _saved(tmp_path, vectors[:100], EXACT, [100])
    (tmp_path / shard_name(0)).write_bytes(b"damaged")
    with pytest.raises(IndexDamaged):
        VectorIndex.open(tmp_path, [100], EXACT, 64)


@settings(max_examples=40)
@given(total=st.integers(1, 70), data=st.data())
def test_a_selection_is_the_set_it_was_made_of(total: int, data: st.DataObject) -> None:
    rows = data.draw(st.sets(st.integers(0, total - 1)))
    gone = data.draw(st.sets(st.integers(0, total - 1)))
    selection = _selection(rows, total)
    assert selection.rows.tolist() == sorted(rows)
    assert selection.count == len(rows)
    assert selection.contains(np.arange(total)).tolist() == [n in rows for n in range(total)]
    rest = selection.without(_selection(gone, total).bitmap)
    assert rest.rows.tolist() == sorted(rows - gone)
    assert rest.count == len(rows - gone)
    assert everything(total).count == total


def _selection(rows: set[int], total: int) -> Selection:
    array: NDArray[np.int64] = np.array(sorted(rows), dtype=np.int64)
    return Selection.of_rows(array, total, (), exact=False)
