"""Searches as programs get them: from the cache or the index, within the gate, timed and logged.

What is kept is the finished JSON. A hit of the cache costs no decoding: what differs from request
to request is put in front of it.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

import msgspec
from django.conf import settings

from portal.core.request_context import current_request_id
from portal.lib import metrics
from search.engine.options import SearchOptions
from search.engine.results import Hit
from search.services import admission, collections, querylog, searching
from search.services.caching import HIT, MISS, Cache, Made, key_of

SECONDS = metrics.histogram("portal_search_seconds", "Time of a search, by mode.", ["mode"])
#: An answer in Redis is dropped so long after it was made; ours.
KEPT_S = 600
MODES = ("hybrid", "lexical", "vector")
#: What the log keeps of a query.
LONGEST_LOGGED, LONGEST_TAXONOMY, MOST_LOGGED = 1000, 500, 10

_encode = msgspec.json.Encoder(order="deterministic").encode


@dataclass(frozen=True, slots=True)
class Query:
    """One search as it was asked."""

    collection: str
    query: str
    mode: str = "hybrid"
    top_k: int = 10
    filters: Mapping[str, Any] | None = None
    taxonomy: str = ""
    options: SearchOptions | None = None


class Head(msgspec.Struct, array_like=True, frozen=True):
    """What the log needs of an answer, in front of it in the cache."""

    version: int
    n_hits: int
    document_ids: list[str]
    degraded: list[str]
    timings_ms: dict[str, float]


@dataclass(frozen=True, slots=True)
class Served:
    """An answer.

    Attributes
    ----------
    search_id
        Under which a click is reported.
    head
        What is in it.
    members
        The members of the answer that do not differ from request to request, as JSON.
    is_hit
        Whether it came from the cache.
    took_ms
        From the request to the answer.
    """

    search_id: UUID
    head: Head
    members: bytes
    is_hit: bool
    took_ms: float

    def hits(self) -> list[Hit]:
        """Return the hits as the engine gave them, for whoever shows them."""
        return [Hit.from_dict(one) for one in _decode(self.members)["hits"]]

    def to_json(self) -> bytes:
        """Return the whole answer."""
        timings = {} if self.is_hit else self.head.timings_ms
        own = {
            "search_id": self.search_id,
            "took_ms": self.took_ms,
            "cache": HIT if self.is_hit else MISS,
            "timings": timings,
        }
        return msgspec.json.encode(own)[:-1] + b"," + self.members[1:]


def search(asked: Query, principal: str) -> Served:
    """Answer a search.

    Parameters
    ----------
    asked
        The search.
    principal
        Who asks, for the log.

    Raises
    ------
    NotFound, InvalidInput, Unavailable
        As :func:`search.services.searching.search`.
    Overloaded
        When too many searches of the collection are in work.
    """
    started = time.perf_counter()
    state = searching.state(asked.collection)
    found = kept().get(_key(asked, state), lambda: _made(asked, state))
    head, members = _unpacked(found.content)
    spent_s = time.perf_counter() - started
    SECONDS.labels(asked.mode).observe(spent_s)
    served = Served(
        querylog.new_id(), head, members, found.is_hit, took_ms=round(spent_s * 1000, 3)
    )
    _note(asked, served, principal, _collection_id(asked.collection, state))
    return served


@cache
def kept() -> Cache:
    """Return the cache of this process."""
    return Cache(
        "search",
        process_bytes=settings.SEARCH_CACHE_MB << 20,
        shared_bytes=settings.SEARCH_SHARED_CACHE_MB << 20,
        ttl_s=KEPT_S,
    )


def _key(asked: Query, state: str) -> bytes:
    """Return the key of a request: equal for requests that only differ in spaces."""
    essence = (
        state,
        asked.collection,
        " ".join(asked.query.split()),
        asked.mode,
        asked.top_k,
        asked.filters,
        asked.taxonomy,
        asked.options,
    )
    return key_of(_encode(essence))


def _made(asked: Query, state: str) -> Made:
    with admission.turn(asked.collection):
        found = searching.search(
            asked.collection,
            asked.query,
            mode=asked.mode,
            top_k=asked.top_k,
            filters=asked.filters,
            taxonomy=asked.taxonomy,
            options=asked.options,
        )
    result = found.result
    members = result.to_dict()
    timings = members.pop("timings")
    documents = dict.fromkeys(hit.passage.document_id for hit in result.hits)
    head = Head(
        version=found.version,
        n_hits=len(result.hits),
        document_ids=list(documents)[:MOST_LOGGED],
        degraded=list(result.degraded),
        timings_ms=timings,
    )
    members |= {"collection": found.collection, "version": found.version}
    # What a missing leg would have found is not known: the next request asks it again. Nor is an
    # answer kept that another index gave than the one it was asked of: that one may come back.
    is_same = state.startswith(f"{found.cache_key_part}:")
    return Made(_packed(head, members), is_kept=is_same and not result.degraded)


def _packed(head: Head, members: Mapping[str, Any]) -> bytes:
    front = msgspec.json.encode(head)
    return len(front).to_bytes(4, "big") + front + msgspec.json.encode(members)


def _unpacked(content: bytes) -> tuple[Head, bytes]:
    end = 4 + int.from_bytes(content[:4], "big")
    return _decode_head(content[4:end]), content[end:]


_decode = msgspec.json.Decoder().decode
_decode_head = msgspec.json.Decoder(Head).decode
_collection_ids: dict[tuple[str, str], int] = {}


def _collection_id(name: str, state: str) -> int:
    """Return the row of a collection, looked up once for each index; a name may be used again."""
    index = state.partition(":")[0]
    known = _collection_ids.get((name, index))
    if known is None:
        known = _collection_ids[name, index] = collections.get(name).pk
    return known


def _note(asked: Query, served: Served, principal: str, collection_id: int) -> None:
    head = served.head
    querylog.note(
        querylog.Entry(
            id=served.search_id,
            collection_id=collection_id,
            query=asked.query[:LONGEST_LOGGED],
            mode=asked.mode,
            top_k=asked.top_k,
            filters=dict(asked.filters or {}),
            taxonomy=asked.taxonomy[:LONGEST_TAXONOMY],
            version=head.version,
            n_hits=head.n_hits,
            took_ms=served.took_ms,
            cache=HIT if served.is_hit else MISS,
            degraded=head.degraded,
            document_ids=head.document_ids,
            principal=principal,
            request_id=current_request_id(),
        )
    )
