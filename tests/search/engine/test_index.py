"""The façade: what is asked of a built index and what it answers."""

from pathlib import Path

import pytest

from search.engine.index import Index, open_index
from search.engine.options import SearchOptions
from search.engine.passages import Passage
from search.engine.problems import IndexDamaged, QueryProblem
from search.engine.searching import MAX_QUERY_CHARS


def _documents(index: Index, query: str, **asked: object) -> list[str]:
    return [hit.passage.document_id for hit in index.search(query, **asked).hits]  # type: ignore[arg-type]


def test_a_question_in_korean_finds_its_passage_with_any_spacing(index: Index) -> None:
    assert _documents(index, "탕주름은 왜 생기나?")[0] == "doc-3"
    assert _documents(index, "탕주름은왜생기나")[0] == "doc-3"


def test_english_words_are_found_in_other_forms(index: Index) -> None:
    assert _documents(index, "evacuating cavities with vacuums", top_k=1) == ["doc-9"]


def test_a_code_is_found_however_it_is_written(index: Index) -> None:
    for written in ("SKD61", "skd-61", "SKD 61"):
        assert _documents(index, written, top_k=1) == ["doc-4"]


def test_every_mode_orders_by_its_own_score(index: Index) -> None:
    for mode in ("hybrid", "lexical", "vector"):
        scores = [hit.score for hit in index.search("기공의 원인", mode).hits]
        assert scores == sorted(scores, reverse=True)


def test_a_hit_says_why_it_was_found(index: Index) -> None:
    hit = index.search("수축공 증압").hits[0]
    assert (hit.rank_lexical, hit.rank_vector) == (1, 1)
    assert hit.lexical_score is not None
    assert hit.vector_score is not None
    assert hit.lexical_score > 0
    assert 0 < hit.vector_score <= 1.0001
    assert hit.score == pytest.approx(1.0)
    assert "<mark>수축공</mark>" in hit.snippet.html()


def test_filters_keep_what_they_name_and_still_fill_k(index: Index, plant: list[Passage]) -> None:
    found = _documents(index, "기공", filters={"taxonomy": "공정/다이캐스팅"}, top_k=6)
    assert sorted(found) == sorted(
        one.document_id for one in plant if one.taxonomy.startswith("공정/다이캐스팅")
    )


def test_a_taxonomy_moves_its_passages_up_without_hiding_others(index: Index) -> None:
    options = SearchOptions(taxonomy_boost=1.0)
    found = _documents(index, "기공의 원인", taxonomy="금형/이형제", options=options)
    assert found[0] == "doc-5"
    assert len(found) == 10


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"query": " \n"}, "query_empty"),
        ({"query": 7}, "query_not_text"),
        ({"query": "가" * (MAX_QUERY_CHARS + 1)}, "query_too_long"),
        ({"query": "기공", "mode": "sql"}, "unknown_mode"),
        ({"query": "기공", "top_k": 0}, "wrong_number"),
        ({"query": "기공", "top_k": True}, "wrong_number"),
        ({"query": "기공", "filters": {"colour": "red"}}, "unknown_field"),
        ({"query": "기공", "filters": {"line": "three"}}, "wrong_filter"),
        ({"query": "기공", "filters": {"line": {"above": 3}}}, "wrong_filter"),
        ({"query": "기공", "filters": {"approved": {"gte": True}}}, "wrong_filter"),
        ({"query": "기공", "filters": {"date": "yesterday"}}, "wrong_filter"),
        ({"query": "기공", "filters": {"line": []}}, "wrong_filter"),
        ({"query": "기공", "filters": ["line"]}, "filters_not_an_object"),
        ({"query": "기공", "filters": {"line": [1] * 2000}}, "too_many_filters"),
    ],
)
def test_a_bad_question_is_refused_with_a_reason(
    index: Index, asked: dict[str, object], code: str
) -> None:
    with pytest.raises(QueryProblem) as caught:
        index.search(**asked)  # type: ignore[arg-type]
    assert caught.value.code == code
    assert str(caught.value)


@pytest.mark.parametrize(
    "query",
    [
        "'; DROP TABLE passages; --",
        'body:"기공" AND (',
        "기공\ud800",
        "\udc00🔥",
        "🔥",
        "*",
        "%_",
        "∑∂",
    ],
)
def test_no_text_of_a_query_is_a_command(index: Index, query: str) -> None:
    result = index.search(query, "lexical")
    assert all(hit.snippet.text for hit in result.hits)


def test_the_emoji_of_a_passage_is_found(index: Index) -> None:
    assert _documents(index, "🔥", mode="lexical") == ["doc-10"]


def test_a_changed_file_is_refused(built: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in built.rglob("*"):
        target = copy / path.relative_to(built)
        target.mkdir() if path.is_dir() else target.write_bytes(path.read_bytes())
    data = bytearray((copy / "passages.bin").read_bytes())
    data[10] ^= 1
    (copy / "passages.bin").write_bytes(bytes(data))
    with pytest.raises(IndexDamaged, match="passages"):
        open_index(copy)


def test_a_folder_without_manifest_is_no_index(tmp_path: Path) -> None:
    with pytest.raises(IndexDamaged, match="manifest is missing"):
        open_index(tmp_path)
