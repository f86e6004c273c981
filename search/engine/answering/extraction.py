"""An answer in the words of the documents: the sentences that say most of what is asked."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from search.engine.answering.questions import tokens, topic
from search.engine.answering.support import Signs
from search.engine.passages import Passage
from search.engine.sentences import sentences

#: Sentences of an answer; ours.
MOST_SENTENCES = 3
#: Shorter lines are labels and numbers of a list, no sentences.
LEAST_CHARS = 8
#: A further sentence must cover so much more of the question; ours.
LEAST_GAIN = 0.04
#: What a word in the title or a heading counts beside one in the sentence; ours.
CONTEXT = 0.5
#: What the sentence loses for each place its passage stands lower; ours.
RANK_LOSS = 0.02


class Corpus(Protocol):
    """What an open index tells of its words."""

    @property
    def n_passages(self) -> int:
        """Number of passages."""

    def frequencies(self, tokens: Iterable[str]) -> dict[str, int]:
        """Return in how many passages each distinct token occurs."""


@dataclass(frozen=True)
class Cited:
    """A sentence and where it stands.

    Attributes
    ----------
    number : int
        Of the passage, from 1, in the order they were given.
    place : int
        Ordinal of the sentence in its passage.
    """

    text: str
    number: int
    place: int


@dataclass(frozen=True)
class Extract:
    """Sentences that answer a question as far as the passages do, and the signs that they do.

    Attributes
    ----------
    sentences : tuple of Cited
        In the order of the passages; empty when no sentence has a word of the question.
    signs : Signs
        From which `support.probability` tells how likely the passages answer.
    """

    sentences: tuple[Cited, ...]
    signs: Signs

    @property
    def text(self) -> str:
        """The sentences, each with the number of its passage."""
        return " ".join(f"{one.text} [{one.number}]" for one in self.sentences)


@dataclass(frozen=True)
class _Candidate:
    cited: Cited
    own: frozenset[str]
    context: frozenset[str]


def extract(question: str, passages: Sequence[Passage], corpus: Corpus) -> Extract:
    """Return the sentences that say most of what is asked.

    Parameters
    ----------
    question : str
    passages : sequence of Passage
        Best first, as a search found them.
    corpus : Corpus
        The index they were found in.
    """
    counts = corpus.frequencies(tokens(topic(question)))
    weights = _weights(counts, corpus.n_passages)
    total = sum(weights.values())
    if not total or not passages:
        return Extract((), Signs.none())
    candidates = [
        candidate
        for number, passage in enumerate(passages, start=1)
        for candidate in _candidates(number, passage, weights.keys())
    ]
    chosen = _chosen(candidates, weights, total)
    return Extract(
        tuple(sorted((one.cited for one in chosen), key=lambda one: (one.number, one.place))),
        Signs(
            passage=max(_share(one.searched(), weights) for one in passages),
            sentence=max((_sum(one.own | one.context, weights) for one in candidates), default=0.0)
            / total,
            missing=_sum((token for token, count in counts.items() if not count), weights) / total,
        ),
    )


def _weights(counts: Mapping[str, int], n_passages: int) -> dict[str, float]:
    """Return how much each token tells: the inverse document frequency of BM25."""
    return {
        token: math.log(1 + (max(0, n_passages - count) + 0.5) / (count + 0.5))
        for token, count in counts.items()
    }


def _sum(found: Iterable[str], weights: Mapping[str, float]) -> float:
    return sum(weights[token] for token in found)


def _share(text: str, weights: Mapping[str, float]) -> float:
    return _sum(weights.keys() & set(tokens(text)), weights) / _sum(weights, weights)


def _candidates(number: int, passage: Passage, asked: Iterable[str]) -> list[_Candidate]:
    wanted = frozenset(asked)
    context = wanted.intersection(tokens(" ".join((passage.title, *passage.headings))))
    lines = [one for line in passage.text.splitlines() for one in sentences(line.strip())]
    return [
        _Candidate(Cited(text, number, place), wanted.intersection(tokens(text)), context)
        for place, text in enumerate(lines)
        if len(text) >= LEAST_CHARS
    ]


def _chosen(
    candidates: Sequence[_Candidate], weights: Mapping[str, float], total: float
) -> list[_Candidate]:
    """Take the sentence that adds most, again and again, while it adds enough."""
    chosen: list[_Candidate] = []
    covered: set[str] = set()
    left = [one for one in candidates if one.own]
    while left and len(chosen) < MOST_SENTENCES:
        best = max(left, key=lambda one: _gain(one, covered, weights))
        gain = _sum(best.own - covered, weights) / total
        if chosen and gain < LEAST_GAIN:
            break
        chosen.append(best)
        covered |= best.own
        left = [one for one in left if one.cited.text != best.cited.text]
    return chosen


def _gain(one: _Candidate, covered: set[str], weights: Mapping[str, float]) -> float:
    own = _sum(one.own - covered, weights)
    context = _sum(one.context - one.own - covered, weights)
    return (own + CONTEXT * context) * (1 - RANK_LOSS * (one.cited.number - 1))
