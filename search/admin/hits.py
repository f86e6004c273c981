"""Hits as a page shows them: where they lead and why they were found."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from search.admin import kinds
from search.engine.results import Hit
from search.models import Collection, Document


@dataclass(frozen=True)
class Leg:
    """What one leg of a hybrid search says of a hit.

    Attributes
    ----------
    score
        None when the leg does not know the passage.
    share
        Of the best score of the leg on the page, from 0 to 1.
    """

    name: str
    unit: str
    score: float | None
    rank: int | None
    share: float


@dataclass(frozen=True)
class ShownHit:
    """One hit of a page.

    Attributes
    ----------
    document_pk
        None when the document is gone since the index was built.
    fused
        The score without what the taxonomy added.
    """

    rank: int
    hit: Hit
    document_pk: int | None
    snippet: SafeString
    legs: tuple[Leg, ...]
    fused: float

    @property
    def kind(self) -> str:
        """What people call the kind of the document."""
        return kinds.name_of(self.hit.passage.content_type)

    @property
    def headings(self) -> list[str]:
        """The headings above the passage, without the title of the document."""
        own = self.hit.passage
        return [text for text in own.headings if text != own.title]


def shown(collection: Collection, hits: Sequence[Hit]) -> list[ShownHit]:
    """Return hits with the rows of their documents and each leg's part."""
    keys = keys_of(collection, {hit.passage.document_id for hit in hits})
    lexical = max((hit.lexical_score or 0.0 for hit in hits), default=0.0)
    vector = max((hit.vector_score or 0.0 for hit in hits), default=0.0)
    return [
        ShownHit(
            rank=rank,
            hit=hit,
            document_pk=keys.get(hit.passage.document_id),
            snippet=mark_safe(hit.snippet.html()),  # noqa: S308 - escaped by the engine
            legs=(
                Leg(
                    _("Words"),
                    "BM25",
                    hit.lexical_score,
                    hit.rank_lexical,
                    _share(hit.lexical_score, lexical),
                ),
                Leg(
                    _("Meaning"),
                    _("cosine"),
                    hit.vector_score,
                    hit.rank_vector,
                    _share(hit.vector_score, vector),
                ),
            ),
            fused=hit.score - hit.taxonomy_boost,
        )
        for rank, hit in enumerate(hits, 1)
    ]


def keys_of(collection: Collection, external_ids: Iterable[str]) -> dict[str, int]:
    """Return the rows of documents by identifier."""
    rows = Document.objects.present().filter(
        collection=collection, external_id__in=list(external_ids)
    )
    return dict(rows.values_list("external_id", "pk"))


def titles_of(collection: Collection, external_ids: Iterable[str]) -> Mapping[str, Document]:
    """Return documents without their text by identifier."""
    rows = Document.objects.listed().filter(
        collection=collection, external_id__in=list(external_ids)
    )
    return {row.external_id: row for row in rows}


def _share(score: float | None, best: float) -> float:
    return max(score or 0.0, 0.0) / best if best > 0 else 0.0
