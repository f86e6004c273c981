"""What a search answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date as Date  # noqa: N812 - the field is called date
from typing import Any, Self

from search.engine.highlight import Snippet
from search.engine.passages import Passage


@dataclass(frozen=True)
class Hit:
    """A passage and why it was found.

    Attributes
    ----------
    score : float
        What the hits are ordered by: fused, or the leg's own in a mode of one leg.
    lexical_score : float or None
        BM25; None when the lexical leg did not return the passage.
    vector_score : float or None
        Cosine; None when there is no vector to compare.
    rank_lexical, rank_vector : int or None
        From 1 within each leg; None when that leg did not return the passage.
    taxonomy_boost : float
        Part of the score that the asked taxonomy added.
    """

    passage: Passage
    score: float
    lexical_score: float | None
    vector_score: float | None
    rank_lexical: int | None
    rank_vector: int | None
    taxonomy_boost: float
    snippet: Snippet

    def to_dict(self) -> dict[str, Any]:
        """Return the hit ready for JSON."""
        own = self.passage
        return {
            "document": {
                "external_id": own.document_id,
                "title": own.title,
                "taxonomy": own.taxonomy,
                "content_type": own.content_type,
                "date": own.date.isoformat() if own.date else None,
            },
            "passage": {
                "id": own.id,
                "text": own.text,
                "headings": list(own.headings),
                "position": own.position,
            },
            "snippet": {
                "text": self.snippet.text,
                "ranges": [list(r) for r in self.snippet.ranges],
            },
            "score": self.score,
            "lexical_score": self.lexical_score,
            "vector_score": self.vector_score,
            "rank_lexical": self.rank_lexical,
            "rank_vector": self.rank_vector,
            "taxonomy_boost": self.taxonomy_boost,
            "metadata": dict(own.metadata),
        }

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Self:
        """Return the hit that :meth:`to_dict` made `kept` of."""
        document, own, cut = kept["document"], kept["passage"], kept["snippet"]
        passage = Passage(
            id=own["id"],
            document_id=document["external_id"],
            text=own["text"],
            title=document["title"],
            headings=tuple(own["headings"]),
            taxonomy=document["taxonomy"],
            content_type=document["content_type"],
            date=Date.fromisoformat(document["date"]) if document["date"] else None,
            position=own["position"],
            metadata=kept["metadata"],
        )
        scores = {name: kept[name] for name in _SCORES}
        snippet = Snippet(cut["text"], tuple((start, end) for start, end in cut["ranges"]))
        return cls(passage=passage, snippet=snippet, **scores)


_SCORES = (
    "score",
    "lexical_score",
    "vector_score",
    "rank_lexical",
    "rank_vector",
    "taxonomy_boost",
)


@dataclass(frozen=True)
class Result:
    """The answer to one query.

    Attributes
    ----------
    hits : tuple of Hit
        Best first.
    n_candidates : int
        Passages that were compared.
    timings_ms : dict
        Wall time of each step.
    degraded : tuple of str
        Legs that were asked for and missing, each with its reason.
    terms : tuple of str
        Tokens of the query that the index knows.
    """

    hits: tuple[Hit, ...]
    mode: str
    n_candidates: int
    timings_ms: dict[str, float]
    degraded: tuple[str, ...]
    terms: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the result ready for JSON."""
        return {
            "hits": [hit.to_dict() for hit in self.hits],
            "mode": self.mode,
            "n_candidates": self.n_candidates,
            "timings": dict(self.timings_ms),
            "degraded": list(self.degraded),
        }
