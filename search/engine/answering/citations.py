"""Whether a text that something else wrote says what the passages it cites say."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from search.engine.answering import support
from search.engine.answering.extraction import Corpus, extract
from search.engine.passages import Passage
from search.engine.sentences import sentences

_MARK = re.compile(r"\[\s*(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\s*\]")
#: Marks behind the stop of the sentence they belong to.
_BEHIND = re.compile(rf"([.!?\u3002]+)\s*((?:{_MARK.pattern}\s*)+)")
_SPACED_STOP = re.compile(r"\s+([.!?\u3002])")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
UNCITED, UNKNOWN, UNSUPPORTED = "uncited", "unknown_passage", "unsupported"


@dataclass(frozen=True)
class Claim:
    """A sentence with the passages that it cites and that say so.

    Attributes
    ----------
    citations : tuple of int
        Numbers of passages, from 1, ascending.
    """

    text: str
    citations: tuple[int, ...]


@dataclass(frozen=True)
class Checked:
    """What is left of a text, and what was taken out.

    Attributes
    ----------
    removed : tuple of (str, str)
        Sentences and why: ``uncited``, ``unknown_passage`` or ``unsupported``.
    """

    claims: tuple[Claim, ...]
    removed: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        """The sentences that are left, each with its citations."""
        return " ".join(
            f"{one.text} {''.join(f'[{number}]' for number in one.citations)}"
            for one in self.claims
        )


def check(text: str, passages: Sequence[Passage], corpus: Corpus) -> Checked:
    """Keep the sentences whose citations exist and whose passages say what the sentence says.

    A sentence is kept when it cites a passage, every number in it stands in a passage it cites, and
    those passages are rather than not judged to hold it (see `support`).
    """
    kept, removed = [], []
    for sentence in _sentences(text):
        cited = {int(number) for mark in _MARK.findall(sentence) for number in _digits(mark)}
        bare = _SPACED_STOP.sub(r"\1", " ".join(_MARK.sub(" ", sentence).split()))
        known = tuple(sorted(number for number in cited if 1 <= number <= len(passages)))
        own = [passages[number - 1] for number in known]
        if not cited:
            removed.append((bare, UNCITED))
        elif not known:
            removed.append((bare, UNKNOWN))
        elif not _says(bare, own, corpus):
            removed.append((bare, UNSUPPORTED))
        else:
            kept.append(Claim(bare, known))
    return Checked(tuple(kept), tuple(removed))


def _sentences(text: str) -> list[str]:
    joined = _BEHIND.sub(r" \2\1 ", text)
    found = [one for line in joined.splitlines() for one in sentences(line.strip(" \t-*#"))]
    return [one for one in found if _MARK.sub("", one).strip(" .!?")]


def _digits(mark: str) -> list[str]:
    return re.findall(r"\d+", mark)


def _says(claim: str, passages: Sequence[Passage], corpus: Corpus) -> bool:
    held = set(_NUMBER.findall(" ".join(one.searched() for one in passages)))
    if not held.issuperset(_NUMBER.findall(claim)):
        return False
    found = extract(claim, passages, corpus)
    return support.probability(found.signs) >= support.THRESHOLD
