"""Checks on the files of a finished build: recall against exact search, and smoke queries.

Held queries are short cuts of random passages, so they are as long as questions and are no passage
themselves. Recall counts a found passage as right when its score reaches the tenth best: copies of
one text are as good as one another.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.engine.embedders.contract import Embedder, Vectors
from search.engine.lexical import LexicalIndex
from search.engine.options import BuildOptions
from search.engine.problems import BuildProblem
from search.engine.records import Records
from search.engine.tokenizers import Tokenizer
from search.engine.vectors import HNSW, VectorIndex

K = 10
#: Breadths that are tried, the least first.
BREADTHS = (32, 64, 96, 128, 160, 192, 224, 256, 384, 512, 1024)
_TIE = 1e-5
_CHUNK_ROWS = 100_000
#: Words of a held query.
_WORDS = (4, 12)


def validate(
    folder: Path,
    options: BuildOptions,
    tokenizer: Tokenizer,
    embedder: Embedder | None,
    vectors: dict[str, Any] | None,
    lexical: dict[str, Any],
    generator: np.random.Generator,
    check: Callable[[], None],
) -> dict[str, Any]:
    """Ask a built index held queries and return what was found.

    Sets ``vectors["ef_search"]`` to the least breadth that reaches the aimed recall, unless the
    options give one.

    Raises
    ------
    BuildProblem
        If recall is below ``min_recall`` or most smoke queries do not find their passage.
    """
    records = Records.open(folder)
    size = min(options.n_validation, len(records))
    rows = generator.choice(len(records), size=size, replace=False)
    queries = [_cut(records[int(row)].text, generator) for row in rows]
    asked = [(int(row), query) for row, query in zip(rows, queries, strict=True) if query]
    if not asked:
        return {"n_queries": 0}
    report: dict[str, Any] = {"n_queries": len(asked)}
    report |= _smoke(LexicalIndex.open(folder, lexical["segments"]), tokenizer, asked, records)
    check()
    if embedder is not None and vectors is not None:
        report |= _recall(folder, options, embedder, vectors, [query for _, query in asked], check)
    return report


def recall_at(found: NDArray[np.float32], best: NDArray[np.float32]) -> float:
    """Return the share of the best that was found, by score, so that ties count."""
    if not len(best):
        return 1.0
    return min(1.0, float((found >= best[-1] - _TIE).sum()) / len(best))


def exact_scores(floats: Vectors, queries: Vectors, k: int = K) -> NDArray[np.float32]:
    """Return the k best inner products of each query, descending, in bounded memory."""
    best = np.full((len(queries), 0), -np.inf, dtype=np.float32)
    for start in range(0, len(floats), _CHUNK_ROWS):
        products = queries @ floats[start : start + _CHUNK_ROWS].T
        best = np.concatenate((best, products), axis=1)
        if best.shape[1] > k:
            best = -np.partition(-best, k - 1, axis=1)[:, :k]
    return -np.sort(-best, axis=1)


def _cut(text: str, generator: np.random.Generator) -> str:
    words = text.split()
    length = int(generator.integers(*_WORDS))
    start = int(generator.integers(0, max(1, len(words) - length + 1)))
    return " ".join(words[start : start + length])


def _smoke(
    index: LexicalIndex, tokenizer: Tokenizer, asked: list[tuple[int, str]], records: Records
) -> dict[str, Any]:
    n_found = n_asked = 0
    for row, query in asked:
        tokens = index.known(tokenizer.tokens(query))
        if not tokens:
            continue
        n_asked += 1
        found, _ = index.search(tokens, K)
        own = records[row].text
        n_found += row in found or any(query in records[int(one)].text for one in found) or not own
    if n_found < n_asked / 2:
        raise BuildProblem("smoke_failed", value=n_asked - n_found, total=n_asked)
    return {"n_smoke": n_asked, "n_smoke_found": n_found}


def _recall(
    folder: Path,
    options: BuildOptions,
    embedder: Embedder,
    vectors: dict[str, Any],
    texts: list[str],
    check: Callable[[], None],
) -> dict[str, Any]:
    queries = embedder.encode(texts)
    queries = queries[queries.any(axis=1)]
    index = VectorIndex.open(folder, vectors["shards"], vectors["kind"], vectors["ef_search"])
    best = exact_scores(index.floats, queries)
    fixed = vectors["kind"] != HNSW or options.ef_search is not None
    recall = 1.0
    for breadth in (vectors["ef_search"],) if fixed else BREADTHS:
        check()
        index.ef_search = vectors["ef_search"] = breadth
        each = [
            recall_at(index.search(query, K)[1], own)
            for query, own in zip(queries, best, strict=True)
        ]
        recall = float(np.mean(each)) if each else 1.0
        if recall >= options.aimed_recall:
            break
    if recall < options.min_recall:
        raise BuildProblem("poor_recall", value=recall, limit=options.min_recall)
    return {"recall_at_10": round(recall, 4), "n_recall_queries": len(queries)}
