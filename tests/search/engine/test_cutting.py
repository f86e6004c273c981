"""Passages: bounds, coverage, stable ids."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.engine.cutting import Cutting, cut
from search.engine.documents import Writer, from_text
from search.engine.passages import passage_id
from search.engine.problems import BuildProblem
from search.engine.readers.reading import read
from search.engine.sentences import sentences

SMALL = Cutting(target_chars=60, max_chars=90, overlap_chars=25)
_PIECES = ("금형온도가 낮다.", "Shrinkage voids appear.", "가" * 70, "x " * 30, "3.5mm", "끝!")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("기공이 생긴다. 벤트를 넓힌다! 왜?", ["기공이 생긴다.", "벤트를 넓힌다!", "왜?"]),
        ("생긴다.그래서 막는다.", ["생긴다.", "그래서 막는다."]),
        ("See Fig. 3 and e.g. No. 5. Then stop.", ["See Fig. 3 and e.g. No. 5.", "Then stop."]),
        ("속도 2.8m/s. 온도 180.5도.", ["속도 2.8m/s.", "온도 180.5도."]),
        ('He said "stop." Then left.', ['He said "stop."', "Then left."]),
        ("", []),
    ],
)
def test_sentences_end_where_a_reader_would_end_them(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@given(st.text(max_size=300))
def test_sentences_lose_nothing_but_spaces(text: str) -> None:
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())


def test_a_passage_lies_under_one_heading_and_overlaps_the_one_before() -> None:
    first = [f"{number}번째 문장은 스무 글자쯤 된다." for number in range(5)]
    text = f"# 하나\n{' '.join(first)}\n# 둘\n다섯째."
    passages = cut(read(text.encode(), name="a.md"), document_id="d", cutting=SMALL)
    assert [one.headings for one in passages] == [("하나",), ("하나",), ("둘",)]
    assert passages[0].text == " ".join(first[:4])
    assert passages[1].text == " ".join(first[3:])
    assert passages[2].text == "다섯째."
    assert [one.position for one in passages] == [0, 1, 2]


@given(st.lists(st.lists(st.sampled_from(_PIECES), min_size=1, max_size=6), max_size=6))
def test_every_passage_is_bounded_and_every_word_is_in_one(paragraphs: list[list[str]]) -> None:
    text = "\n\n".join(" ".join(paragraph) for paragraph in paragraphs)
    passages = cut(from_text(text), document_id="d", cutting=SMALL)
    assert all(0 < len(one.text) <= SMALL.max_chars for one in passages)
    joined = "".join("".join(one.text.split()) for one in passages)
    for paragraph in paragraphs:
        for piece in paragraph:
            for word in piece.split():
                assert word[:30] in joined


@given(st.lists(st.sampled_from(_PIECES), max_size=12))
def test_ids_are_unique_and_a_later_section_changes_no_earlier_id(pieces: list[str]) -> None:
    text = "# A\n" + "\n\n".join(pieces)
    before = cut(read(text.encode(), name="a.md"), document_id="d", cutting=SMALL)
    after = cut(read(f"{text}\n\n# B\nnew".encode(), name="a.md"), document_id="d", cutting=SMALL)
    ids = [one.id for one in before]
    assert len(set(ids)) == len(ids)
    if pieces:
        assert [one.id for one in after][: len(ids)] == ids


def test_equal_texts_of_a_document_get_ids_of_their_own() -> None:
    writer = Writer("text")
    for level in ("A", "B"):
        writer.heading(1, level)
        writer.paragraph("같은 글")
    first, second = cut(writer.document(), document_id="d")
    assert first.id == passage_id("d", "같은 글")
    assert second.id == passage_id("d", "같은 글", 1)


def test_table_rows_are_understood_by_themselves() -> None:
    writer = Writer("text")
    writer.table([["인자", "범위"], ["속도", "2.8m/s"], ["압력", "80MPa"]])
    (passage,) = cut(writer.document(), document_id="d")
    assert passage.text == "인자: 속도; 범위: 2.8m/s\n인자: 압력; 범위: 80MPa"


def test_a_document_of_headings_only_is_still_found() -> None:
    passages = cut(read(b"# Title\n## Part", name="a.md"), document_id="d")
    assert [one.text for one in passages] == ["Title", "Part"]


@pytest.mark.parametrize(
    "wrong", [{"target_chars": 10}, {"max_chars": 100}, {"overlap_chars": 400}]
)
def test_sizes_out_of_bounds_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(BuildProblem):
        Cutting(**wrong)
