"""Searching a collection by name, in whatever index is live."""

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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

#: Threads that compute at once beyond one a core only take the interpreter from each other: eight
#: made 252 searches a second, two of them at a time 421 (load 12, docs/performance.md).
_cores = threading.BoundedSemaphore(os.cpu_count() or 1)
#: Nobody waits longer for a core, so that slow searches of one collection stop no other.
CORE_WAIT_S = 0.05


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
        with _on_a_core(held):
            result = held.index.search(
                query, mode, top_k, filters, taxonomy, options or defaults(collection)
            )
    except EngineError as exc:
        raise translated(exc) from exc
    return Found(result, collection, held.version, held.digest, held.sequence)


@contextmanager
def _on_a_core(held: Held) -> Iterator[None]:
    """Compute when a core is free; what asks an embedder elsewhere mostly waits and needs none."""
    cores = _cores
    is_ours = not held.index.manifest.asks_elsewhere and cores.acquire(timeout=CORE_WAIT_S)
    try:
        yield
    finally:
        if is_ours:
            cores.release()


def _renew() -> None:
    """Have all cores free, as in a forked child, where no thread of the parent lives."""
    global _cores
    _cores = threading.BoundedSemaphore(os.cpu_count() or 1)


os.register_at_fork(after_in_child=_renew)


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
