"""Answers to questions from the passages of a collection, or a refusal that says why."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from django.utils.translation import gettext as _

from search.engine.answering import citations
from search.engine.answering.citations import Checked
from search.engine.answering.extraction import Corpus, Extract, extract
from search.engine.answering.support import THRESHOLD, probability
from search.engine.results import Hit
from search.services import admission, generation, searching

logger = logging.getLogger(__name__)

N_PASSAGES = 6
EXTRACTIVE, GENERATED, REFUSED = "extractive", "generated", "refused"


@dataclass(frozen=True)
class Sentence:
    """A sentence of an answer and the numbers of the sources that say it."""

    text: str
    citations: tuple[int, ...]


@dataclass(frozen=True)
class Answer:
    """What a question got.

    Attributes
    ----------
    text
        The sentences with their citations as [n]; None when refused.
    kind
        ``extractive``, ``generated`` or ``refused``.
    reason
        Why it was refused, in the reader's language.
    support
        The probability that the passages answer; below ``threshold`` the answer is refused.
    sentences
        Of the answer.
    extract
        The answer in the documents' own words, also when a model worded another.
    sources
        The passages found, best first; citations count them from 1.
    degraded
        What was asked for and is missing, each with its reason.
    """

    text: str | None
    kind: str
    reason: str
    support: float
    sentences: tuple[Sentence, ...]
    extract: str
    sources: tuple[Hit, ...]
    collection: str
    version: int
    degraded: tuple[str, ...]
    took_ms: float
    threshold: float = THRESHOLD
    timings_ms: Mapping[str, float] = field(default_factory=dict)


def answer(
    collection: str,
    question: str,
    *,
    filters: Mapping[str, Any] | None = None,
    taxonomy: str = "",
) -> Answer:
    """Answer a question from the passages of a collection.

    Parameters
    ----------
    collection
        Name.
    question, filters, taxonomy
        As of a search.

    Raises
    ------
    NotFound, InvalidInput, Unavailable
        As :func:`search.services.searching.search`.
    Overloaded
        When too many searches of the collection are in work.
    """
    started = perf_counter()
    with admission.turn(collection):
        found = searching.search(
            collection, question, top_k=N_PASSAGES, filters=filters, taxonomy=taxonomy
        )
        searched = perf_counter()
        corpus = searching.held(collection).index
        hits = found.result.hits
        own = extract(question, [hit.passage for hit in hits], corpus)
    likely = probability(own.signs)
    is_supported = likely >= THRESHOLD and bool(own.sentences)
    extracted = perf_counter()
    # Outside the gate: a model takes seconds, and searches must not wait behind it.
    worded, missing = _worded(question, hits, corpus) if is_supported else (None, "")
    text, kind, sentences = _chosen(own, worded, is_supported=is_supported)
    return Answer(
        text=text,
        kind=kind,
        reason="" if text is not None else _refusal(likely, len(hits)),
        support=round(likely, 4),
        sentences=sentences,
        extract=own.text if is_supported else "",
        sources=hits,
        collection=collection,
        version=found.version,
        degraded=(*found.result.degraded, *([missing] if missing else [])),
        took_ms=round((perf_counter() - started) * 1000, 3),
        timings_ms={
            "search": round((searched - started) * 1000, 3),
            "extract": round((extracted - searched) * 1000, 3),
            "generation": round((perf_counter() - extracted) * 1000, 3),
        },
    )


def _worded(question: str, hits: tuple[Hit, ...], corpus: Corpus) -> tuple[Checked | None, str]:
    """Return what a model's wording comes to, or why there is none."""
    if not generation.is_configured():
        return None, ""
    passages = [hit.passage for hit in hits]
    try:
        text = generation.words(question, passages)
    except generation.NotWorded as exc:
        logger.warning("no wording of an answer: %s", exc)
        return None, f"generation: {exc}"
    checked = citations.check(text, passages, corpus)
    if not checked.claims:
        return None, "generation: no sentence was supported by a passage it cites"
    if checked.removed:
        logger.info("%d sentences of a wording taken out", len(checked.removed))
    return checked, ""


def _chosen(
    own: Extract, worded: Checked | None, *, is_supported: bool
) -> tuple[str | None, str, tuple[Sentence, ...]]:
    if not is_supported:
        return None, REFUSED, ()
    if worded is not None:
        claims = tuple(Sentence(one.text, one.citations) for one in worded.claims)
        return worded.text, GENERATED, claims
    return own.text, EXTRACTIVE, tuple(Sentence(one.text, (one.number,)) for one in own.sentences)


def _refusal(likely: float, n_passages: int) -> str:
    if not n_passages:
        return _("No passage was found: ask with other words, or filter less.")
    return _(
        "The passages found do not answer the question (support %(seen).2f, needed %(least).2f): "
        "ask with other words, or add documents that say it."
    ) % {"seen": likely, "least": THRESHOLD}
