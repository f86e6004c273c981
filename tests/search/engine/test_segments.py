"""Changes kept in files: found, counted and filtered as they are in memory."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from search.engine.index import Index, open_index
from search.engine.passages import Passage
from search.engine.problems import IndexDamaged
from search.engine.segments import HEAD, Segment, merge
from tests.search.engine.collection import generated, passages

QUERIES = ("런너 코어핀 교체하면", "기공의 원인", "새 글")


@pytest.fixture
def index(built: Path) -> Iterator[Index]:
    opened = open_index(built, verify_files=False)
    yield opened
    opened.close()


def changes() -> list[tuple[list[Passage], list[str]]]:
    """Return three lots of changes that replace and delete what the build or a former lot has."""
    new = list(generated(60))
    old = passages()
    return [
        (new[:30], ["doc-0"]),
        ([replace(old[1], id="changed", text="새 글 기공"), *new[30:50]], [new[3].document_id]),
        ([replace(new[5], id="again", text="새 글 둘"), *new[50:]], ["doc-2", new[40].document_id]),
    ]


def frozen(index: Index, folder: Path) -> Index:
    """Apply every lot of changes, each in a segment of its own but the last, which is in memory."""
    for number, (upserts, deletions) in enumerate(changes()):
        index.apply(upserts, deletions)
        if number < 2:
            place = folder / str(number)
            index.freeze(place, number, number + 1)
            index = index.with_segments([*index.segments, Segment.open(place)])
    return index


def said(index: Index, **asked: object) -> dict[str, float]:
    """Return the score of everything that is found, by query and passage."""
    return {
        f"{query}: {hit.passage.id}": hit.score
        for query in QUERIES
        for hit in index.search(query, top_k=80, **asked).hits  # type: ignore[arg-type]
    }


def like(expected: dict[str, float]) -> object:
    return pytest.approx(expected, abs=1e-4)


def test_segments_answer_as_memory_does(index: Index, built: Path, tmp_path: Path) -> None:
    plain = open_index(built, verify_files=False)
    for upserts, deletions in changes():
        plain.apply(upserts, deletions)
    mixed = frozen(index, tmp_path)
    assert [len(one) for one in mixed.segments] == [30, 21]
    assert (mixed.n_delta, mixed.n_removed, mixed.n_passages) == (
        plain.n_delta,
        plain.n_removed,
        plain.n_passages,
    )
    for mode in ("hybrid", "lexical", "vector"):
        assert said(mixed, mode=mode) == like(said(plain, mode=mode))
    filters = {"taxonomy": passages()[1].taxonomy}
    assert said(mixed, filters=filters) == like(said(plain, filters=filters))
    assert said(mixed, filters=filters) == like(said(plain, filters=filters))  # from the kept mask
    assert mixed.facets("taxonomy") == plain.facets("taxonomy")
    assert mixed.fields == plain.fields
    plain.close()


def test_merged_segments_answer_as_they_did_apart(index: Index, tmp_path: Path) -> None:
    mixed = frozen(index, tmp_path)
    alone = mixed.with_segments(mixed.segments)
    merge(mixed.segments, tmp_path / "both")
    both = Segment.open(tmp_path / "both")
    assert (both.first, both.last) == (0, 2)
    assert len(both) == 50  # without the one that the second lot deleted
    whole = mixed.with_segments([both])
    assert said(whole) == like(said(alone))
    assert whole.n_passages == alone.n_passages


def test_a_merge_leaves_out_what_later_files_replaced(index: Index, tmp_path: Path) -> None:
    mixed = frozen(index, tmp_path)
    mixed.freeze(tmp_path / "2", 2, 3)
    apart = mixed.with_segments([*mixed.segments, Segment.open(tmp_path / "2")])
    merge(apart.segments[:2], tmp_path / "both", apart.segments[2:])
    both = Segment.open(tmp_path / "both")
    n_replaced = sum(len(one) for one in apart.segments) - apart.n_delta
    assert len(both) == sum(len(one) for one in apart.segments[:2]) - n_replaced
    whole = apart.with_segments([both, apart.segments[2]])
    assert said(whole) == like(said(apart))
    assert whole.n_passages == apart.n_passages


def test_passages_of_segments_are_found_by_their_names(index: Index, tmp_path: Path) -> None:
    mixed = frozen(index, tmp_path)
    new = list(generated(60))
    assert mixed.passage(new[0].id) == new[0]
    assert mixed.passage("changed") is not None
    assert mixed.passage(new[3].id) is None  # deleted by the second lot
    assert mixed.passage(new[5].id) is None  # replaced by the third, which is in memory
    assert [one.id for one in mixed.passages_of(new[5].document_id)] == ["again"]
    assert mixed.passages_of("doc-2") == []


def test_deletions_alone_make_a_segment(index: Index, tmp_path: Path) -> None:
    index.apply(deletions=["doc-0", "doc-1"])
    assert index.n_in_memory == 2
    index.freeze(tmp_path / "s", 0, 2)
    fresh = index.with_segments([Segment.open(tmp_path / "s")])
    assert (fresh.n_in_memory, fresh.n_delta, fresh.n_removed) == (0, 0, 2)
    found = [hit.passage.document_id for hit in fresh.search("기공", "vector", 50).hits]
    assert not {"doc-0", "doc-1"} & set(found)


@pytest.mark.parametrize("name", [HEAD, "passages.bin", "vectors.npy"])
def test_a_damaged_segment_is_refused(index: Index, tmp_path: Path, name: str) -> None:
    index.apply(list(generated(5)))
    index.freeze(tmp_path / "s", 0, 5)
    content = (tmp_path / "s" / name).read_bytes()
    (tmp_path / "s" / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(IndexDamaged):
        Segment.open(tmp_path / "s")


def test_vectors_of_any_slots_come_in_their_order(index: Index, tmp_path: Path) -> None:
    mixed = frozen(index, tmp_path)
    delta = mixed._delta
    slots: Sequence[int] = (55, 2, 40, 0)
    embedder = mixed.embedder
    assert embedder is not None
    found = delta.vectors(np.array(slots))
    wanted = embedder.encode([delta.passage(slot).searched() for slot in slots])
    assert np.allclose(found, wanted, atol=1e-6)
