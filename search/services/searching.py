"""Searching a collection by name, in whatever index is live."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from search.engine.options import SearchOptions
from search.engine.problems import EngineError
from search.engine.results import Result
from search.services import following
from search.services.configuration import search_options
from search.services.holding import Held
from search.services.problems import translated

held = following.held


@dataclass(frozen=True)
class Found:
    """The answer to one query and what gave it.

    Attributes
    ----------
    result
        Of the engine.
    collection
        Name.
    version, digest
        Of the index.
    sequence
        The last change of documents that was searchable.
    """

    result: Result
    collection: str
    version: int
    digest: str
    sequence: int

    @property
    def cache_key_part(self) -> str:
        """What a cached answer depends on beside the question."""
        return f"{self.digest[:16]}:{self.sequence}"


def search(
    collection: str,
    query: str,
    *,
    mode: str = "hybrid",
    top_k: int = 10,
    filters: Mapping[str, Any] | None = None,
    taxonomy: str = "",
    options: SearchOptions | None = None,
) -> Found:
    """Return the passages of a collection that answer a query.

    Parameters
    ----------
    collection
        Name.
    query, mode, top_k, filters, taxonomy
        As of :meth:`search.engine.index.Index.search`.
    options
        The collection's own when None.

    Raises
    ------
    NotFound
        If there is no such collection.
    InvalidInput
        Naming what is wrong with the query, a filter or an option.
    Unavailable
        While no index can be searched here.
    """
    held = following.held(collection)
    try:
        result = held.index.search(
            query, mode, top_k, filters, taxonomy, options or defaults(collection)
        )
    except EngineError as exc:
        raise translated(exc) from exc
    return Found(result, collection, held.version, held.digest, held.sequence)


def defaults(collection: str) -> SearchOptions:
    """Return the options of a collection that is searched without any."""
    slot = following.follower.known(collection)
    return search_options(slot.defaults) if slot is not None and slot.defaults else _PLAIN


_PLAIN = SearchOptions()


def state(collection: str) -> str:
    """Return what an answer depends on beside the question: version, changes and own options.

    Raises
    ------
    NotFound, Unavailable
        As :func:`search`.
    """
    held = following.held(collection)
    slot = following.follower.known(collection)
    own = slot.defaults_digest if slot is not None else ""
    return f"{held.digest[:16]}:{held.sequence}:{own}"


def facets(
    collection: str, field: str, filters: Mapping[str, Any] | None = None, limit: int = 50
) -> list[tuple[str, int]]:
    """Return the most frequent values of a field and how many passages have each.

    Raises
    ------
    NotFound, InvalidInput, Unavailable
        As :func:`search`.
    """
    try:
        return following.held(collection).index.facets(field, filters, limit)
    except EngineError as exc:
        raise translated(exc) from exc


__all__ = ["Found", "Held", "defaults", "facets", "held", "search", "state"]
