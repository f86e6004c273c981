"""The lexical leg: tantivy over our own tokens, read by mmap.

Tokens are made here, not by tantivy: both legs, the query side and the highlights see the same
words. Scores are BM25 with tantivy's k1 = 1.2 and b = 0.75 (Robertson and Zaragoza, 2009).
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import tantivy
from numpy.typing import NDArray

from search.engine.files import mapped
from search.engine.problems import IndexDamaged, unopened
from search.engine.selection import Selection

FOLDER = "lexical"
ROWS = "lexical-rows.npy"
#: Rarer tokens say more; a query pasted as a page of text is searched by so many of its rarest.
MAX_QUERY_TOKENS = 128
_WHITESPACE = "whitespace_only"
#: Hits asked for at first and the growth until a filtered search has its fill.
_SLACK = 1.3
_GROWTH = 4
#: Above this selectivity asking for more hits and dropping some is faster than joining tags.
_MAX_TAG_SHARE = 0.1


def tag(field: str, value: str) -> str:
    """Return the token under which a filterable value is indexed."""
    return hashlib.blake2b(f"{field}\x1f{value}".encode(), digest_size=8).hexdigest()


class LexicalWriter:
    """Adds passages to a lexical index, in the order of their rows."""

    def __init__(self, folder: Path, memory_mb: int) -> None:
        self._folder = folder
        (folder / FOLDER).mkdir()
        builder = tantivy.SchemaBuilder()
        builder.add_text_field("body", tokenizer_name=_WHITESPACE, index_option="freq")
        builder.add_text_field("tags", tokenizer_name=_WHITESPACE, index_option="basic")
        builder.add_unsigned_field("row", indexed=True, fast=True)
        self._index = tantivy.Index(builder.build(), path=str(folder / FOLDER))
        _register(self._index)
        # One thread keeps the documents in the order of their rows and the build repeatable.
        self._writer = self._index.writer(memory_mb << 20, 1)

    def add(self, row: int, tokens: Sequence[str], tags: Iterable[str]) -> None:
        """Add the tokens of one passage."""
        document = tantivy.Document()
        document.add_text("body", " ".join(tokens))
        document.add_text("tags", " ".join(tags))
        document.add_unsigned("row", row)
        self._writer.add_document(document)

    def close(self) -> dict[str, Any]:
        """Commit, wait for merges and write which row each document address has."""
        self._writer.commit()
        self._writer.wait_merging_threads()
        index = tantivy.Index.open(str(self._folder / FOLDER))
        searcher = index.searcher()
        meta = json.loads((self._folder / FOLDER / "meta.json").read_bytes())
        segments = [int(one["max_doc"]) for one in meta["segments"]]
        rows = np.fromiter(_rows(searcher, segments), dtype=np.int64)
        np.save(self._folder / ROWS, rows)
        return {"segments": segments}


def _rows(searcher: tantivy.Searcher, segments: Sequence[int]) -> Iterable[int]:
    for order, size in enumerate(segments):
        for start in range(0, size, 10_000):
            stop = min(start + 10_000, size)
            addresses = [tantivy.DocAddress(order, doc) for doc in range(start, stop)]
            for value in searcher.fast_field_values("row", addresses):
                if not isinstance(value, int):
                    raise IndexDamaged("file_changed", value=FOLDER)
                yield value


def _register(index: tantivy.Index) -> None:
    analyzer = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
    index.register_tokenizer(_WHITESPACE, analyzer)


@dataclass(frozen=True)
class Statistics:
    """What BM25 needs of the whole index."""

    n_passages: int
    n_tokens: int

    @property
    def mean_tokens(self) -> float:
        """Mean number of tokens of a passage."""
        return self.n_tokens / max(1, self.n_passages)


def rarest(frequencies: Mapping[str, int]) -> list[str]:
    """Return the tokens that occur at all, at most `MAX_QUERY_TOKENS`."""
    kept = [token for token, count in frequencies.items() if count]
    if len(kept) > MAX_QUERY_TOKENS:
        kept = sorted(kept, key=lambda token: frequencies[token])[:MAX_QUERY_TOKENS]
    return kept


class LexicalIndex:
    """A lexical index opened for searching; safe for threads."""

    def __init__(self, index: tantivy.Index, rows: NDArray[np.int64], segments: list[int]) -> None:
        _register(index)
        self._schema = index.schema
        self._searcher = index.searcher()
        self._rows = rows
        self._bases = np.concatenate(([0], np.cumsum(segments))).astype(np.int64)

    @classmethod
    def open(cls, folder: Path, segments: list[int]) -> Self:
        """Open the lexical index of a folder.

        Raises
        ------
        IndexDamaged
            If tantivy cannot read it or its addresses are not those of the build.
        """
        try:
            index = tantivy.Index.open(str(folder / FOLDER))
        except (ValueError, OSError) as exc:
            raise unopened(exc, IndexDamaged("file_changed", value=FOLDER)) from exc
        rows = mapped(folder / ROWS)
        found = cls(index, rows, segments)
        found._check_addresses()
        return found

    def _check_addresses(self) -> None:
        firsts = [tantivy.DocAddress(order, 0) for order in range(len(self._bases) - 1)]
        values = self._searcher.fast_field_values("row", firsts)
        if values != [int(self._rows[base]) for base in self._bases[:-1]]:
            raise IndexDamaged("file_changed", value=FOLDER)

    def frequency(self, token: str) -> int:
        """Return how many passages hold a token."""
        return self._searcher.doc_freq("body", token)

    def frequencies(self, tokens: Iterable[str]) -> dict[str, int]:
        """Return how many passages hold each of some tokens."""
        count = self._searcher.doc_freq
        return {token: count("body", token) for token in dict.fromkeys(tokens)}

    def known(self, tokens: Iterable[str]) -> list[str]:
        """Return the distinct tokens that occur in the index, at most `MAX_QUERY_TOKENS`."""
        return rarest(self.frequencies(tokens))

    def search(
        self, tokens: Sequence[str], limit: int, selection: Selection | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return rows and BM25 scores of the best passages, best first.

        Parameters
        ----------
        tokens : sequence of str
            Distinct, as `known` gives them.
        limit : int
            Greatest number of rows.
        selection : Selection or None
            Rows that may be returned; all of its rows that hold a token are, up to the limit.
        """
        if not tokens or (selection is not None and not selection.count):
            return np.empty(0, np.int64), np.empty(0, np.float64)
        query = self._any_of("body", tokens, "freq")
        if selection is None:
            return self._found(query, limit)
        if selection.tags and selection.share <= _MAX_TAG_SHARE:
            query = self._joined(query, selection.tags)
            if selection.is_exact_in_tags:
                return self._found(query, limit)
        return self._until_filled(query, limit, selection)

    def _joined(self, query: tantivy.Query, tags: Iterable[Sequence[str]]) -> tantivy.Query:
        """Return a query that also asks for one tag of each group, at no score."""
        must = [(tantivy.Occur.Must, query)]
        for group in tags:
            clause = tantivy.Query.const_score_query(self._any_of("tags", group, "basic"), 0.0)
            must.append((tantivy.Occur.Must, clause))
        return tantivy.Query.boolean_query(must)

    def _any_of(self, field: str, tokens: Sequence[str], option: str) -> tantivy.Query:
        terms = [
            (tantivy.Occur.Should, tantivy.Query.term_query(self._schema, field, token, option))
            for token in tokens
        ]
        return tantivy.Query.boolean_query(terms)

    def _until_filled(
        self, query: tantivy.Query, limit: int, selection: Selection
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        total = len(self._rows)
        asked = min(total, int(limit * _SLACK * total / selection.count) + limit)
        while True:
            rows, scores = self._found(query, asked)
            allowed = selection.contains(rows)
            if allowed.sum() >= limit or len(rows) < asked or asked >= total:
                return rows[allowed][:limit], scores[allowed][:limit]
            asked = min(total, asked * _GROWTH)

    def _found(
        self, query: tantivy.Query, limit: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        hits = self._searcher.search(query, limit, count=False).hits
        scores = np.array([score for score, _ in hits], dtype=np.float64)
        if len(self._bases) == 2:
            places = np.array([address.doc for _, address in hits], dtype=np.int64)
        else:
            bases = self._bases
            places = np.array(
                [bases[address.segment_ord] + address.doc for _, address in hits], dtype=np.int64
            )
        return self._rows[places] if len(hits) else places, scores
