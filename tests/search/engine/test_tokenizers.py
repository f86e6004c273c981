"""Tokens: by hand, the same everywhere, whatever the text."""

import unicodedata
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.engine.problems import EngineError
from search.engine.text import clean
from search.engine.tokenizers import BIGRAM, KIWI, NAMES, fingerprint, tokenizer

WORDS = tokenizer(BIGRAM)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("금형온도", ["금형", "형온", "온도"]),
        ("금형 온도", ["금형", "온도"]),
        ("탕", ["탕"]),
        ("ADC12", ["adc12", "adc", "12"]),
        ("SKD-61", ["skd61", "skd", "61"]),
        ("3.5mm", ["3.5mm", "3.5", "mm"]),
        ("1,250 bar", ["1250", "bar"]),
        ("2026.01.31", ["2026.01.31", "2026", "01", "31"]),
        ("the castings of dies", ["cast", "die"]),
        ("high-pressure", ["high", "pressur"]),
        ("A라인 B라인", ["a", "라인", "b", "라인"]),
        ("鑄造 ダイ", ["鑄造", "ダイ"]),
        ("🔥🙂", ["🔥", "🙂"]),
        ("\uff21\uff24\uff23\uff11\uff12 ㎜", ["adc12", "adc", "12", "mm"]),
        ("", []),
        ("... --- !!!", []),
    ],
)
def test_tokens_by_hand(text: str, expected: list[str]) -> None:
    assert WORDS.tokens(text) == expected


def test_jamo_and_syllables_are_the_same_word() -> None:
    assert WORDS.tokens(unicodedata.normalize("NFD", "다이캐스팅")) == WORDS.tokens("다이캐스팅")


def test_a_lone_surrogate_splits_words_and_breaks_nothing() -> None:
    assert WORDS.tokens("기공\ud800수축") == ["기공", "수축"]
    assert clean("\ud83d\ude00") == "😀"


@given(st.text(st.characters(), max_size=80))
def test_tokens_hold_no_space_and_can_be_stored(text: str) -> None:
    for token in WORDS.tokens(text):
        assert token
        assert len(token.encode()) <= 64 * 4
        assert not any(character.isspace() for character in token)


@given(st.text(max_size=60))
def test_case_and_form_make_no_difference(text: str) -> None:
    assert WORDS.tokens(clean(text)) == WORDS.tokens(text)
    assert WORDS.tokens(unicodedata.normalize("NFD", text)) == WORDS.tokens(text)


@given(st.text(st.characters(), max_size=80))
def test_cleaning_twice_changes_nothing(text: str) -> None:
    assert clean(clean(text)) == clean(text)


def test_threads_see_the_same_tokens() -> None:
    texts = [f"running castings number{n} 금형{n}" for n in range(200)]
    alone = [WORDS.tokens(text) for text in texts]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(WORDS.tokens, texts)) == alone


def test_the_fingerprint_of_a_named_tokenizer_never_changes() -> None:
    # A change here asks for a new name: indexes built under the old one would miss words.
    assert fingerprint(WORDS) == "e3471f5c5b3b6374"


def test_kiwi_adds_morphemes_to_the_bigrams() -> None:
    pytest.importorskip("kiwipiepy", reason="the package kiwipiepy is not installed")
    tokens = tokenizer(KIWI).tokens("주조품의 기공을 줄인다")
    assert tokens[: len(WORDS.tokens("주조품의 기공을 줄인다"))] == WORDS.tokens(
        "주조품의 기공을 줄인다"
    )
    assert "\u2060기공" in tokens
    assert "\u2060줄이" in tokens


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(EngineError, match="bigram-1"):
        tokenizer("whitespace-1")
    assert len(NAMES) == 2
