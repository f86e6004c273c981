"""Circuit breakers, only around what lies on other machines: embeddings and generated answers.

The breaker is pybreaker's. It holds its lock for as long as a call takes, which would make remote
calls wait for one another; so the call is made outside, and the breaker is told what came of it.
"""

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import pybreaker

from portal.lib import metrics
from search.engine.embedders import endpoint
from search.engine.embedders.contract import Embedder, Vectors
from search.engine.embedders.factory import pretrained
from search.engine.manifest import Manifest
from search.engine.problems import EmbedderProblem

OPEN = metrics.gauge(
    "portal_breaker_open", "Whether calls of a remote part are held back: 1 or 0.", ["leg"]
)
#: So many failures in a row open a breaker, for so long; ours.
MOST_FAILURES = 3
RESET_S = 15.0

T = TypeVar("T")


class HeldBack(Exception):
    """The remote part failed so often that it is left alone for ``left_s`` seconds."""

    def __init__(self, leg: str, left_s: int) -> None:
        super().__init__(f"{leg} failed repeatedly and is left alone for {left_s} s")
        self.left_s = left_s


class Breaker:
    """Lets calls through while they succeed; safe for threads.

    Parameters
    ----------
    leg
        What is called, in metrics.
    is_outage
        Whether an exception says that the remote part is down; any other is an answer.
    """

    def __init__(
        self,
        leg: str,
        is_outage: Callable[[BaseException], bool],
        *,
        most_failures: int = MOST_FAILURES,
        reset_s: float = RESET_S,
    ) -> None:
        self.leg = leg
        self._storage = pybreaker.CircuitMemoryStorage(pybreaker.STATE_CLOSED)
        self._breaker = pybreaker.CircuitBreaker(
            fail_max=most_failures,
            reset_timeout=reset_s,
            exclude=[lambda exc: not is_outage(exc)],
            state_storage=self._storage,
            throw_new_error_on_trip=False,
            name=leg,
        )
        self._reset_s = reset_s
        self._trying = threading.Lock()

    @property
    def is_open(self) -> bool:
        """Whether calls are held back now."""
        return self._left_s() > 0

    def call(self, work: Callable[[], T]) -> T:
        """Return what the work returns, or raise what it raises.

        Raises
        ------
        HeldBack
            Without trying, while the breaker is open; after that one call at a time tries.
        """
        if self._breaker.current_state == pybreaker.STATE_CLOSED:
            return self._reported(work)
        left_s = self._left_s()
        if left_s > 0 or not self._trying.acquire(blocking=False):
            raise HeldBack(self.leg, max(1, math.ceil(left_s)))
        try:
            return self._reported(work)
        finally:
            self._trying.release()

    def _left_s(self) -> float:
        opened_at = self._storage.opened_at
        if self._breaker.current_state != pybreaker.STATE_OPEN or opened_at is None:
            return 0.0
        return self._reset_s - (datetime.now(UTC) - opened_at).total_seconds()

    def _reported(self, work: Callable[[], T]) -> T:
        try:
            done = work()
        except BaseException as exc:
            self._tell(exc)
            raise
        self._tell(None)
        return done

    def _tell(self, error: BaseException | None) -> None:
        """Let the breaker know how a call ended."""

        def outcome() -> None:
            if error is not None:
                raise error

        try:
            self._breaker.call(outcome)
        except BaseException as exc:
            # Open already: another call that began earlier failed meanwhile.
            if exc is not error and not isinstance(exc, pybreaker.CircuitBreakerError):
                raise
        OPEN.labels(self.leg).set(self.is_open)


class GuardedEmbedder:
    """An embedder on another machine, left alone for a while when it does not answer."""

    def __init__(self, embedder: Embedder, breaker: Breaker) -> None:
        self._embedder = embedder
        self._breaker = breaker

    @property
    def name(self) -> str:
        return self._embedder.name

    @property
    def version(self) -> str:
        return self._embedder.version

    @property
    def dimensions(self) -> int:
        return self._embedder.dimensions

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return vectors as the embedder does.

        Raises
        ------
        EmbedderProblem
            As the embedder raises it, or at once while it is left alone.
        """
        try:
            return self._breaker.call(lambda: self._embedder.encode(texts))
        except HeldBack as exc:
            raise EmbedderProblem("endpoint_failed", reason=str(exc)) from exc


def guarded(embedder: Embedder) -> GuardedEmbedder:
    """Return an embedder on another machine with a breaker around it."""
    breaker = Breaker("embedder", lambda exc: isinstance(exc, EmbedderProblem) and exc.retryable)
    return GuardedEmbedder(embedder, breaker)


def remote(manifest: Manifest, credentials: Mapping[str, str]) -> Embedder | None:
    """Return the embedder of an index with a breaker around it; None when it needs none.

    Raises
    ------
    EmbedderProblem
        When what the manifest says of it is not enough to ask it.
    """
    spec, held = manifest.embedder_spec, manifest.embedder
    if spec is None or held is None or spec.kind != endpoint.KIND:
        return None
    return guarded(pretrained(spec, credentials, int(held["dimensions"])))
