"""Changes since the build: searchable at once, with the scores a build would have given."""

import math
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.engine.building import build
from search.engine.delta import Delta, bm25_count, bm25_weight
from search.engine.index import Index, open_index
from search.engine.options import BuildOptions
from search.engine.passages import Passage
from search.engine.problems import BuildProblem, IndexDamaged
from search.engine.searching import Leg
from tests.search.engine.collection import generated, passages


@pytest.fixture
def index(built: Path) -> Iterator[Index]:
    opened = open_index(built, verify_files=False)
    yield opened
    opened.close()


def _ids(index: Index, query: str, **asked: object) -> list[str]:
    return [hit.passage.document_id for hit in index.search(query, **asked).hits]  # type: ignore[arg-type]


def test_a_new_document_is_found_at_once(index: Index) -> None:
    added = Passage(
        "new", "doc-new", "다이캐스팅 블리스터는 열처리 때 부푼다.", taxonomy="공정/열처리"
    )
    assert index.apply([added]) == 1
    assert _ids(index, "블리스터")[0] == "doc-new"
    assert _ids(index, "블리스터", filters={"taxonomy": "공정/열처리"}) == ["doc-new"]
    assert index.passage("new") == added
    assert index.n_passages == 13


def test_a_changed_document_replaces_all_its_passages(index: Index) -> None:
    index.apply([Passage("x", "doc-2", "전혀 다른 글")])
    assert "doc-2" not in _ids(index, "수축공 증압", mode="lexical")
    assert _ids(index, "전혀 다른 글")[0] == "doc-2"
    index.apply([Passage("y", "doc-2", "또 다른 판")])
    assert [one.id for one in index.passages_of("doc-2")] == ["y"]
    assert index.passage("x") is None
    assert (index.n_delta, index.n_removed, index.n_passages) == (1, 1, 12)


def test_a_deleted_document_is_gone_from_every_mode(index: Index, plant: list[Passage]) -> None:
    index.apply(deletions=["doc-0", "no-such-document"])
    for mode in ("hybrid", "lexical", "vector"):
        found = _ids(index, "기공의 원인", mode=mode, top_k=12)
        assert "doc-0" not in found
    assert len(_ids(index, "기공의 원인", mode="vector", top_k=12)) == len(plant) - 1
    assert index.passage(plant[0].id) is None
    assert index.passages_of("doc-0") == []


def test_fields_of_new_documents_can_be_filtered(index: Index) -> None:
    index.apply([Passage("n", "n", "기공 새 글", metadata={"shift": "night", "line": "four"})])
    assert _ids(index, "기공", filters={"shift": "night"}) == ["n"]
    assert index.fields["line"] == "mixed"
    assert index.facets("shift") == [("night", 1)]


def test_a_wrong_passage_changes_nothing(index: Index) -> None:
    good, bad = Passage("g", "g", "새 글"), Passage("", "b", "나쁜 글")
    with pytest.raises(BuildProblem):
        index.apply([good, bad], ["doc-1"])
    assert (index.n_delta, index.n_removed) == (0, 0)


def test_a_closed_index_refuses(built: Path) -> None:
    index = open_index(built, verify_files=False)
    index.close()
    with pytest.raises(IndexDamaged, match="closed"):
        index.search("기공")


def test_scores_of_new_passages_are_those_of_a_build(tmp_path: Path) -> None:
    everything = list(generated(300))
    build(everything, tmp_path / "all", BuildOptions(embedder=None, n_validation=0))
    whole = open_index(tmp_path / "all")
    build(everything[:290], tmp_path / "most", BuildOptions(embedder=None, n_validation=0))
    index = open_index(tmp_path / "most")
    index.apply(everything[290:])
    query = "런너 코어핀 교체하면"
    expected = {h.passage.id: h.lexical_score for h in whole.search(query, "lexical", 300).hits}
    found = {h.passage.id: h.lexical_score for h in index.search(query, "lexical", 300).hits}
    assert set(found) == set(expected)
    for one in everything[290:]:
        if one.id in expected:
            # Frequencies differ by ten passages, and tantivy rounds lengths.
            assert found[one.id] == pytest.approx(expected[one.id], rel=0.15)
    whole.close()
    index.close()


def test_bm25_by_hand() -> None:
    assert bm25_weight(10, 1) == pytest.approx(math.log(1 + 9.5 / 1.5))
    assert bm25_count(np.array([1, 2]), np.array([1.0, 2.0])) == pytest.approx([1.0, 4.4 / 4.1])


_CHANGES = st.lists(
    st.tuples(st.sampled_from(["put", "delete"]), st.sampled_from([f"doc-{n}" for n in range(5)])),
    max_size=8,
)


@settings(max_examples=30)
@given(changes=_CHANGES)
def test_any_changes_leave_what_a_dictionary_would(
    built: Path, changes: list[tuple[str, str]]
) -> None:
    index = open_index(built, verify_files=False)
    expected = {one.document_id: one.text for one in passages()}
    for number, (act, document_id) in enumerate(changes):
        if act == "put":
            text = f"바뀐 글 {number}"
            index.apply([Passage(f"c{number}", document_id, text)])
            expected[document_id] = text
        else:
            index.apply(deletions=[document_id])
            expected.pop(document_id, None)
    hits = index.search("기공 바뀐 글", "vector", 100).hits
    assert {hit.passage.document_id: hit.passage.text for hit in hits} == expected
    assert index.n_passages == len(expected)
    index.close()


def test_searches_go_on_while_documents_change(index: Index, plant: list[Passage]) -> None:
    problems: list[Exception] = []
    is_over = threading.Event()

    def search() -> None:
        while not is_over.is_set():
            try:
                hits = index.search("기공의 원인", "vector", 50).hits
                ids = [hit.passage.document_id for hit in hits]
                assert len(ids) == len(set(ids))
            except Exception as exc:  # noqa: BLE001 - told below
                problems.append(exc)
                return

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(60):
        old = plant[number % len(plant)]
        index.apply([replace(old, id=f"v{number}", text=f"{old.text} {number}")])
    is_over.set()
    for thread in threads:
        thread.join()
    assert problems == []
    assert index.n_passages == len(plant)


def test_the_best_of_many_candidates_are_those_of_a_full_sort() -> None:
    generator = np.random.default_rng(3)
    scores = generator.integers(0, 40, 500) / 10  # with ties
    merged = Leg(np.array([1000]), np.array([3.05])).merged(np.arange(500), scores, 10)
    everything = np.concatenate(([3.05], scores))
    expected = np.argsort(-everything, kind="stable")[:10]
    assert merged.scores.tolist() == everything[expected].tolist()
    assert merged.keys.tolist() == np.concatenate(([1000], np.arange(500)))[expected].tolist()


def test_a_delta_mostly_removed_compares_what_is_left() -> None:
    delta = Delta(dimensions=4)
    vectors = np.eye(4, dtype=np.float32)
    for slot in range(8):
        delta.memory.add(Passage(f"p{slot}", f"d{slot}", "글"), ["글"], vectors[slot % 4])
    query = np.array([1, 2, 3, 4], dtype=np.float32)
    for slots in (np.arange(8), np.array([5]), np.array([0, 7])):
        expected = [float(vectors[slot % 4] @ query) for slot in slots]
        assert delta.similarities(slots, query).tolist() == expected
