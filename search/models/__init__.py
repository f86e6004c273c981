"""Collections of documents, judged queries, and what was asked."""

from search.models.collections import Collection
from search.models.documents import Document, DocumentQuerySet
from search.models.queries import Click, SearchRecord
from search.models.relevance import JudgedQuery, RelevanceCheck

__all__ = [
    "Click",
    "Collection",
    "Document",
    "DocumentQuerySet",
    "JudgedQuery",
    "RelevanceCheck",
    "SearchRecord",
]
