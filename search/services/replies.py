"""Answers to questions as programs get them: from a cache or made, within the gate."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
from django.conf import settings
from django.utils.translation import get_language

from portal.core.errors import PortalError
from search.services import answers, generation, searching
from search.services.answers import Answer
from search.services.caching import HIT, MISS, Cache, Made, key_of
from search.services.serving import KEPT_S

#: Of a hit, what a source shows.
SOURCE = ("document", "passage", "snippet", "score")
#: Shares of the memory that searches have, since answers are few; ours.
SHARE = 4

_encode = msgspec.json.Encoder(order="deterministic").encode


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a question.

    Attributes
    ----------
    content
        The members that do not differ from request to request, as JSON.
    is_hit
        Whether it came from the cache.
    took_ms
        From the request to the answer.
    """

    content: bytes
    is_hit: bool
    took_ms: float

    def members(self) -> dict[str, Any]:
        """Return the members of the answer, see :func:`members`."""
        decoded: dict[str, Any] = msgspec.json.decode(self.content)
        return decoded

    def to_json(self) -> bytes:
        """Return the whole answer."""
        own = {"cache": HIT if self.is_hit else MISS, "took_ms": self.took_ms}
        return msgspec.json.encode(own)[:-1] + b"," + self.content[1:]


def reply(
    collection: str,
    question: str,
    *,
    filters: Mapping[str, Any] | None = None,
    taxonomy: str = "",
) -> Reply:
    """Return the answer to a question.

    Raises
    ------
    NotFound, InvalidInput, Unavailable, Overloaded
        As a search.
    """
    started = time.perf_counter()
    state = searching.state(collection)
    essence = (
        state,
        collection,
        " ".join(question.split()),
        filters,
        taxonomy,
        get_language(),
        settings.ANSWERS_URL,
        settings.ANSWERS_MODEL,
    )

    def make() -> Made:
        made = answers.answer(collection, question, filters=filters, taxonomy=taxonomy)
        try:
            is_same = searching.state(collection) == state  # and no other index answered
        except PortalError:  # it was withdrawn meanwhile; what was found is still an answer
            is_same = False
        return Made(msgspec.json.encode(members(made)), is_kept=is_same and not made.degraded)

    found = kept().get(key_of(_encode(essence)), make)
    took_ms = round((time.perf_counter() - started) * 1000, 3)
    return Reply(found.content, found.is_hit, took_ms)


@cache
def kept() -> Cache:
    """Return the cache of this process."""
    return Cache(
        "answers",
        process_bytes=(settings.SEARCH_CACHE_MB << 20) // SHARE,
        shared_bytes=(settings.SEARCH_SHARED_CACHE_MB << 20) // SHARE,
        ttl_s=KEPT_S,
        # Who waits for a model, if only by waiting for another thread, is a thread less to search.
        most_joined=max(1, settings.WEB_THREADS // generation.SHARE),
    )


def members(answer: Answer) -> dict[str, Any]:
    """Return an answer ready for JSON, without what differs from request to request."""
    return {
        "answer": answer.text,
        "kind": answer.kind,
        "reason": answer.reason,
        "support": answer.support,
        "threshold": answer.threshold,
        "sentences": [
            {"text": one.text, "citations": list(one.citations)} for one in answer.sentences
        ],
        "extract": answer.extract,
        "sources": sources(answer),
        "collection": answer.collection,
        "version": answer.version,
        "timings": dict(answer.timings_ms),
        "degraded": list(answer.degraded),
    }


def sources(answer: Answer) -> list[dict[str, Any]]:
    """Return the passages that an answer counts its citations by, from 1."""
    shown = [hit.to_dict() for hit in answer.sources]
    return [
        {"number": number, **{name: one[name] for name in SOURCE}}
        for number, one in enumerate(shown, start=1)
    ]
