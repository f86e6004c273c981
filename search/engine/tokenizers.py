"""Words as the lexical index and the default embedder see them.

``bigram-1``: Hangul, Han and kana as pairs of neighbouring characters within a word, so that
particles and missing spaces cost little; English stemmed (Snowball); numbers and codes kept whole
and in parts, so that ADC12, ADC-12 and "ADC 12" meet. ``kiwi-bigram-1`` adds the morphemes of Kiwi.

A name ends in its version. What a tokenizer gives must not change under one name: an index keeps a
fingerprint of it and refuses to open when it does.
"""

import hashlib
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

from snowballstemmer.english_stemmer import EnglishStemmer

from search.engine.kiwi import KiwiMorphemes
from search.engine.problems import EngineError
from search.engine.text import folded

BIGRAM = "bigram-1"
KIWI = "kiwi-bigram-1"
#: Longer words are cut; no code or word of a manual is longer.
MAX_TOKEN_CHARS = 64
#: Compounds of more parts (paths, addresses, keys) are not also kept whole.
MAX_COMPOUND_PARTS = 6

#: English words that carry no topic; ours. Single letters and "no" stay: they name lines, grades
#: and numbers. Set by the Cranfield benchmark.
STOP_WORDS = frozenset((
    "an", "and", "are", "as", "at", "be", "been", "but", "by", "could", "did", "do", "does",
    "for", "from", "had", "has", "have", "how", "if", "in", "into", "is", "it", "its", "of",
    "on", "or", "such", "than", "that", "the", "their", "then", "there", "these", "they",
    "this", "to", "was", "were", "what", "when", "where", "which", "who", "will", "with",
    "would",
))  # fmt: skip

_PAIRED = "가-힣\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_WORD = rf"[^\W_{_PAIRED}]"
_JOINT = r"(?:[.\-/_]|(?<=\d),(?=\d{3}(?!\d)))"
_SYMBOLS = "\u2600-\u27bf\U0001f300-\U0001faff"
#: One run of a script; no run crosses a space.
RUN = re.compile(rf"[{_PAIRED}]+|{_WORD}+(?:{_JOINT}{_WORD}+)*|[{_SYMBOLS}]")
_IS_PAIRED = re.compile(rf"[{_PAIRED}]")
_PART = re.compile(r"(?<![.\d])\d+\.\d+(?![.\d])|\d+|[^\W\d_]+")
_DIGIT = re.compile(r"\d")
_PROBE = (
    "ADC12 합금의 게이트 속도는 2.8m/s, 금형온도 180~220℃이다. High-pressure die castings' "
    "defects; SKD-61 KS D 6006:2009 1,250 bar 주조품 🙂 of the 2026.01.31 "
    "鑄造 ダイカスト café №5 3.5mm"
)


class Tokenizer(Protocol):
    """Turns a text into tokens, the same at indexing and at query time."""

    @property
    def name(self) -> str:
        """Name with version."""

    def tokens(self, text: str) -> list[str]:
        """Return the tokens of a text in order, repeated as often as they occur."""


class BigramTokenizer:
    """Pairs of syllables, English stems, codes."""

    name = BIGRAM

    def tokens(self, text: str) -> list[str]:
        """Return the tokens of a text in order."""
        found: list[str] = []
        for run in RUN.findall(folded(text)):
            found += run_tokens(run)
        return found


class KiwiTokenizer:
    """Morphemes of Kiwi beside the bigrams; about 0.5 GB of memory and 100 documents a second."""

    name = KIWI

    def __init__(self) -> None:
        self._bigrams = BigramTokenizer()
        self._morphemes = KiwiMorphemes()

    def tokens(self, text: str) -> list[str]:
        """Return the bigrams of a text and then its morphemes, which carry a mark of their own."""
        return self._bigrams.tokens(text) + self._morphemes.tokens(folded(text))


def is_paired(character: str) -> bool:
    """Return whether a text begins with a character that is indexed in pairs."""
    return _IS_PAIRED.match(character) is not None


@lru_cache(maxsize=1 << 14)
def run_tokens(run: str) -> tuple[str, ...]:
    """Return the tokens of one run of a script, as `RUN` finds it in folded text."""
    if _IS_PAIRED.match(run):
        return _pairs(run)
    if run in STOP_WORDS:
        return ()
    word = run.replace(",", "")
    parts = _PART.findall(word)
    if not parts:
        return (word[:MAX_TOKEN_CHARS],)
    single = tuple(_part_token(part) for part in parts)
    if len(parts) == 1 or len(parts) > MAX_COMPOUND_PARTS or not _DIGIT.search(word):
        return single
    whole = re.sub(r"[\-/_]", "", word)[:MAX_TOKEN_CHARS]
    return (whole, *single)


def _pairs(run: str) -> tuple[str, ...]:
    if len(run) == 1:
        return (run,)
    return tuple(run[start : start + 2] for start in range(len(run) - 1))


def _part_token(part: str) -> str:
    return (
        _stem(part[:MAX_TOKEN_CHARS])
        if part.isascii() and part.isalpha()
        else part[:MAX_TOKEN_CHARS]
    )


def _stem(word: str) -> str:
    # A stemmer of its own each time: its state is not for threads, and run_tokens remembers.
    stem: str = EnglishStemmer().stemWord(word)
    return stem


_MAKERS: dict[str, Callable[[], Tokenizer]] = {BIGRAM: BigramTokenizer, KIWI: KiwiTokenizer}
NAMES = tuple(_MAKERS)


def tokenizer(name: str) -> Tokenizer:
    """Return the tokenizer of a name.

    Raises
    ------
    EngineError
        If there is none of this name, or its package is not installed.
    """
    maker = _MAKERS.get(name)
    if maker is None:
        raise EngineError("unknown_tokenizer", value=repr(name), allowed=", ".join(NAMES))
    return maker()


def fingerprint(one: Tokenizer) -> str:
    """Return a digest of what a tokenizer makes of a fixed text."""
    return hashlib.sha256("\x1f".join(one.tokens(_PROBE)).encode()).hexdigest()[:16]
