"""Pages of documents, search and judgements."""

from search.admin import collections, documents, judgements, querylog

__all__ = ["collections", "documents", "judgements", "querylog"]
