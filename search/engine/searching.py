"""One query from text to hits: both legs over the built index and the delta, fusion, snippets."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from search.engine import fusion
from search.engine.delta import Delta, State
from search.engine.embedders.contract import Embedder, Vectors
from search.engine.fillers import without
from search.engine.filters import Condition
from search.engine.highlight import snippet
from search.engine.lexical import MAX_QUERY_TOKENS, LexicalIndex, Statistics, rarest
from search.engine.options import SearchOptions
from search.engine.passages import Passage, tidy_path
from search.engine.problems import EmbedderProblem, QueryProblem, shown
from search.engine.records import Records
from search.engine.results import Hit, Result
from search.engine.selection import Selection
from search.engine.text import clean
from search.engine.tokenizers import BIGRAM, Tokenizer
from search.engine.vectors import VectorIndex

MAX_QUERY_CHARS = 10_000
#: A token in more than this share of the passages is marked only when there is no rarer one.
COMMON_SHARE = 0.2
#: From so many times what is wanted on, choosing first and sorting then is faster.
_MANY = 4


@dataclass(frozen=True)
class Parts:
    """What an open index consists of."""

    records: Records
    lexical: LexicalIndex
    vectors: VectorIndex | None
    tokenizer: Tokenizer
    embedder: Embedder | None
    statistics: Statistics
    vector_weight: float

    @property
    def n_rows(self) -> int:
        return len(self.records)


@dataclass(frozen=True)
class Asked:
    """One query, checked."""

    query: str
    mode: str
    top_k: int
    conditions: tuple[Condition, ...]
    taxonomy: str
    options: SearchOptions


@dataclass
class Leg:
    """What one leg found: keys (rows, then delta slots) and scores, best first."""

    keys: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    scores: NDArray[np.float64] = field(default_factory=lambda: np.empty(0, np.float64))

    def merged(self, keys: NDArray[np.int64], scores: NDArray[np.float64], limit: int) -> "Leg":
        """Return the best of this leg's and further candidates."""
        if not len(keys):
            return self
        keys = np.concatenate((self.keys, keys))
        scores = np.concatenate((self.scores, scores))
        if len(scores) > _MANY * limit:  # all that may be among the best, ties included
            least = np.partition(scores, len(scores) - limit)[len(scores) - limit]
            keys, scores = keys[scores >= least], scores[scores >= least]
        best = np.argsort(-scores, kind="stable")[:limit]
        return Leg(keys[best], scores[best])


@dataclass(frozen=True)
class Candidates:
    """All that either leg found, with scores by leg (NaN where a leg has none), best first."""

    keys: NDArray[np.int64]
    scores: NDArray[np.float64]
    boosts: NDArray[np.float64]
    lexical: NDArray[np.float64]
    vector: NDArray[np.float64]
    rank_lexical: NDArray[np.int64]
    rank_vector: NDArray[np.int64]


class Search:
    """Answers one query over one state of an index."""

    def __init__(
        self, parts: Parts, delta: Delta, state: State, selection: Selection | None, asked: Asked
    ) -> None:
        self._parts = parts
        self._delta = delta
        self._state = state
        self._selection = selection
        self._asked = asked
        self._slots = self._chosen_slots()
        self.timings_ms: dict[str, float] = {}
        self._degraded: list[str] = []
        self._terms: list[str] = []
        self._frequencies: Mapping[str, int] = {}
        self._seen: dict[int, Passage] = {}

    def run(self) -> Result:
        """Return the hits."""
        with self._timed("tokens"):
            words = self._parts.tokenizer
            # With morphemes it gains nothing, as measured on KorQuAD.
            query = without(self._asked.query) if words.name == BIGRAM else self._asked.query
            tokens = list(dict.fromkeys(words.tokens(query)))
            self._frequencies = self._parts.lexical.frequencies(tokens)
        vector = self._query_vector()
        n_asked = max(self._asked.options.n_candidates, self._asked.top_k)
        while True:
            found = self._candidates(tokens, vector, n_asked)
            with self._timed("hits"):
                hits = self._hits(found, tokens)
            total = self._parts.n_rows + self._state.n_slots
            if len(hits) == self._asked.top_k or not self._asked.options.per_document:
                break
            if n_asked >= total or len(found.keys) < n_asked:
                break
            n_asked = min(total, 4 * n_asked)
        return Result(
            hits=tuple(hits),
            mode=self._asked.mode,
            n_candidates=len(found.keys),
            timings_ms={name: round(value, 3) for name, value in self.timings_ms.items()},
            degraded=tuple(self._degraded),
            terms=tuple(self._terms),
        )

    def _chosen_slots(self) -> NDArray[np.int64]:
        """Return the delta's slots that live and satisfy the filters."""
        slots = np.flatnonzero(self._state.alive)
        if self._asked.conditions and len(slots):
            slots = self._delta.satisfying(slots, self._asked.conditions)
        return slots

    def _query_vector(self) -> Vectors | None:
        if self._asked.mode == "lexical":
            return None
        if self._parts.embedder is None:
            self._degraded.append("vector: the index holds no vectors")
            return None
        with self._timed("embedding"):
            try:
                vector = self._parts.embedder.encode([self._asked.query])[0]
            except EmbedderProblem as exc:
                self._degraded.append(f"vector: {exc}")
                return None
        return vector if vector.any() else None

    def _candidates(self, tokens: Sequence[str], query: Vectors | None, limit: int) -> Candidates:
        lexical = Leg()
        if self._asked.mode != "vector":
            with self._timed("lexical"):
                lexical = self._lexical_leg(tokens, limit)
        vector = Leg()
        if query is not None:
            with self._timed("vector"):
                vector = self._vector_leg(query, limit)
        with self._timed("fusion"):
            return self._fused(lexical, vector, query)

    def _lexical_leg(self, tokens: Sequence[str], limit: int) -> Leg:
        index = self._parts.lexical
        self._terms = rarest(self._frequencies)
        leg = Leg(*index.search(self._terms, limit, self._selection))
        if not len(self._slots):
            return leg
        slots, scores = self._delta.lexical(
            tokens[:MAX_QUERY_TOKENS],
            self._slots,
            self._parts.statistics,
            self._frequencies.__getitem__,
        )
        return leg.merged(slots + self._parts.n_rows, scores, limit)

    def _vector_leg(self, query: Vectors, limit: int) -> Leg:
        leg = Leg()
        if self._parts.vectors is not None:
            rows, scores = self._parts.vectors.search(query, limit, self._selection)
            leg = Leg(rows, scores.astype(np.float64))
        if len(self._slots):
            near = self._delta.similarities(self._slots, query)
            leg = leg.merged(self._slots + self._parts.n_rows, near, limit)
        return leg

    def _fused(self, lexical: Leg, vector: Leg, query: Vectors | None) -> Candidates:
        """Put both legs' candidates into one order; at equal score the lexical leg wins."""
        places = {key: place for place, key in enumerate(lexical.keys.tolist())}
        for key in vector.keys.tolist():
            places.setdefault(key, len(places))
        keys = np.fromiter(places, dtype=np.int64, count=len(places))
        by_lexical, rank_lexical = _placed(slice(len(lexical.keys)), lexical.scores, len(keys))
        own = [places[key] for key in vector.keys.tolist()]
        by_vector, rank_vector = _placed(own, vector.scores, len(keys))
        if query is not None:
            missing = rank_vector == 0
            by_vector[missing] = self._vector_scores(keys[missing], query)
        if self._asked.mode == "hybrid":
            scores = self._joined(by_lexical, by_vector, rank_lexical, rank_vector)
        else:
            scores = by_lexical if self._asked.mode == "lexical" else by_vector
        boosts = self._boosts(keys)
        total = scores + boosts
        order = np.argsort(-total, kind="stable")
        return Candidates(
            keys[order],
            total[order],
            boosts[order],
            by_lexical[order],
            by_vector[order],
            rank_lexical[order],
            rank_vector[order],
        )

    def _vector_scores(self, keys: NDArray[np.int64], query: Vectors) -> NDArray[np.float64]:
        """Return the cosine of candidates that the vector leg did not return."""
        scores = np.zeros(len(keys))
        in_main = keys < self._parts.n_rows
        if self._parts.vectors is not None:
            scores[in_main] = self._parts.vectors.scores(query, keys[in_main])
        if self._state.n_slots:
            scores[~in_main] = self._delta.vectors(keys[~in_main] - self._parts.n_rows) @ query
        return scores

    def _joined(
        self,
        lexical: NDArray[np.float64],
        vector: NDArray[np.float64],
        rank_lexical: NDArray[np.int64],
        rank_vector: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        weight = self._asked.options.vector_weight
        weight = self._parts.vector_weight if weight is None else weight
        if self._asked.options.fusion == "rrf":
            return fusion.rrf(rank_lexical, rank_vector, weight)
        return fusion.minmax(lexical, vector, weight)

    def _boosts(self, keys: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return what the asked taxonomy adds: the share of its steps that a passage's path has."""
        boosts = np.zeros(len(keys))
        asked = tidy_path(self._asked.taxonomy).split("/")
        if not asked[0] or not self._asked.options.taxonomy_boost:
            return boosts
        for place, key in enumerate(keys):
            own = self._passage(int(key)).taxonomy.split("/")
            shared = 0
            while shared < min(len(asked), len(own)) and asked[shared] == own[shared]:
                shared += 1
            boosts[place] = self._asked.options.taxonomy_boost * shared / len(asked)
        return boosts

    def _hits(self, found: Candidates, tokens: Sequence[str]) -> list[Hit]:
        weights = self._marked(tokens)
        hits: list[Hit] = []
        per_document: Counter[str] = Counter()
        greatest = self._asked.options.per_document
        for place in range(len(found.keys)):
            if len(hits) == self._asked.top_k:
                break
            passage = self._passage(int(found.keys[place]))
            per_document[passage.document_id] += 1
            if greatest and per_document[passage.document_id] > greatest:
                continue
            hits.append(self._hit(passage, found, place, weights))
        return hits

    def _hit(
        self, passage: Passage, found: Candidates, place: int, weights: dict[str, float]
    ) -> Hit:
        return Hit(
            passage=passage,
            score=float(found.scores[place]),
            lexical_score=_or_none(found.lexical[place]),
            vector_score=_or_none(found.vector[place]),
            rank_lexical=int(found.rank_lexical[place]) or None,
            rank_vector=int(found.rank_vector[place]) or None,
            taxonomy_boost=float(found.boosts[place]),
            snippet=snippet(passage.text, weights, self._asked.options.snippet_chars),
        )

    def _marked(self, tokens: Sequence[str]) -> dict[str, float]:
        """Return the tokens to mark: those that tell passages apart, if any known one does."""
        n_rows = max(1, self._parts.n_rows)
        shares = {token: self._frequencies[token] / n_rows for token in tokens[:MAX_QUERY_TOKENS]}
        telling = {token: share for token, share in shares.items() if share <= COMMON_SHARE}
        chosen = telling if any(telling.values()) else shares
        return {token: 1 - share for token, share in chosen.items()}

    def _passage(self, key: int) -> Passage:
        found = self._seen.get(key)
        if found is None:
            n_rows = self._parts.n_rows
            found = self._parts.records[key] if key < n_rows else self._delta.passage(key - n_rows)
            self._seen[key] = found
        return found

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        started = perf_counter()
        try:
            yield
        finally:
            spent = (perf_counter() - started) * 1000
            self.timings_ms[name] = self.timings_ms.get(name, 0.0) + spent


def _placed(
    places: list[int] | slice, scores: NDArray[np.float64], total: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the scores and ranks of a leg among all candidates: NaN and 0 where it has none."""
    placed, ranks = np.full(total, np.nan), np.zeros(total, dtype=np.int64)
    if len(scores):
        placed[places] = scores
        ranks[places] = np.arange(1, len(scores) + 1)
    return placed, ranks


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def query_text(query: object) -> str:
    """Return a query as it is searched for.

    Raises
    ------
    QueryProblem
        If it is no text, empty, or longer than `MAX_QUERY_CHARS`.
    """
    if not isinstance(query, str):
        raise QueryProblem("query_not_text", field="query", value=shown(query))
    if len(query) > MAX_QUERY_CHARS:
        raise QueryProblem("query_too_long", field="query", value=len(query), limit=MAX_QUERY_CHARS)
    text = clean(query).strip()
    if not text:
        raise QueryProblem("query_empty", field="query")
    return text
