"""Snippets: offsets that fit, pages that cannot be injected."""

import html
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.engine.building import build
from search.engine.highlight import ELLIPSIS, Snippet, snippet
from search.engine.index import open_index
from search.engine.options import BuildOptions
from search.engine.passages import Passage
from search.engine.tokenizers import BIGRAM, tokenizer

WORDS = tokenizer(BIGRAM)


def _marked(text: str, query: str, length: int = 200) -> list[str]:
    found = snippet(text, dict.fromkeys(WORDS.tokens(query), 1.0), length)
    return [piece for piece, is_match in found.segments if is_match]


@pytest.mark.parametrize(
    ("text", "query", "expected"),
    [
        ("금형온도가 낮다", "금형 온도", ["금형온도"]),
        ("게이트와 게이트웨이", "게이트", ["게이트", "게이트"]),
        ("Castings and forecast", "casting", ["Castings"]),
        ("ADC12와 ADC123", "ADC12", ["ADC12", "ADC"]),
        ("SKD-61 강", "SKD61", ["SKD", "61"]),
        ("탕 온도, 탕구", "탕", ["탕"]),
        ("🔥 폭발", "🔥", ["🔥"]),
        ("기공", "없는낱말", []),
    ],
)
def test_marks_by_hand(text: str, query: str, expected: list[str]) -> None:
    assert _marked(text, query) == expected


def test_the_best_part_of_a_long_text_is_shown() -> None:
    text = "앞말이 길다. " * 40 + "기공은 가스 때문에 생긴다. " + "뒷말도 길다. " * 40
    found = snippet(text, dict.fromkeys(WORDS.tokens("기공 가스"), 1.0), 80)
    assert "기공은 가스 때문에" in found.text
    assert found.text.startswith(ELLIPSIS)
    assert found.text.endswith(ELLIPSIS)
    assert len(found.text) <= 82


def test_markup_in_a_text_is_shown_not_obeyed() -> None:
    found = Snippet("<script>기공</script>", ((8, 10),))
    assert found.html() == "&lt;script&gt;<mark>기공</mark>&lt;/script&gt;"


_TEXTS = st.text(st.sampled_from('기공 가스금형ab1.<&"\n🔥İße\u0301'), max_size=300)


@given(text=_TEXTS, query=_TEXTS, length=st.integers(40, 120))
def test_ranges_are_apart_ascending_and_within(text: str, query: str, length: int) -> None:
    found = snippet(text, dict.fromkeys(WORDS.tokens(query), 1.0), length)
    places = [place for pair in found.ranges for place in pair]
    assert places == sorted(places)
    assert len(set(places)) == len(places)
    assert all(0 <= place <= len(found.text) for place in places)
    assert "".join(piece for piece, _ in found.segments) == found.text
    assert found.text.strip(ELLIPSIS) in text
    unmarked = found.html().replace("<mark>", "").replace("</mark>", "")
    assert html.unescape(unmarked) == found.text


def test_words_that_no_passage_has_do_not_take_the_marks_from_common_ones(tmp_path: Path) -> None:
    texts = {
        "bubbles": "기포 결함은 공기가 빠지지 못해 생긴다.",
        "flash": "Flash leaks between halves.",
    }
    passages = [Passage(name, name, text) for name, text in texts.items()]
    build(passages, tmp_path / "index", BuildOptions())
    index = open_index(tmp_path / "index")
    try:
        hit = index.search("기포가왜생기나").hits[0]
    finally:
        index.close()
    assert hit.passage.id == "bubbles"
    assert ("기포", True) in hit.snippet.segments
