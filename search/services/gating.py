"""The queries that an index is judged on before it may go live, and how well it answers them.

Judged queries come first. Beside them stand known items: a few words cut out of a document, which
should find that document again. They need nobody's judgement, so every collection has them.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from portal.lib.hashing import canonical_json
from portal.registry.families import RowScores
from portal.registry.models import EvaluationSet, ModelVersion
from portal.runs import artifacts
from search.engine.cutting import Cutting
from search.engine.index import Index
from search.engine.metrics import ndcg, recall, reciprocal_rank
from search.engine.options import SearchOptions
from search.engine.passages import Passage
from search.engine.tuning import DEPTH, Judged
from search.models import Collection, Document
from search.services import judgements, loading
from search.services.configuration import search_options
from search.services.contents import passages_of

JUDGED, KNOWN_ITEM = "judged", "known_item"
#: Ours: enough for an interval narrower than the loss that a gate allows.
N_KNOWN_ITEMS = 60
MOST_JUDGED = 1_000
_WORDS = (4, 12)
_TRIES = 4


@dataclass(frozen=True)
class Asked:
    """A query, the documents that answer it, and where it comes from."""

    query: str
    gains: dict[str, float]
    kind: str


@dataclass(frozen=True, eq=False)
class Achieved:
    """How well an index answered, query by query; shape (n,) each."""

    ndcg_at_10: NDArray[np.float64]
    recall_at_100: NDArray[np.float64]
    reciprocal_rank: NDArray[np.float64]
    kinds: NDArray[np.str_]

    def means(self, kind: str) -> dict[str, float] | None:
        """Return the mean of each figure over the queries of one kind, None without any."""
        chosen = self.kinds == kind
        if not chosen.any():
            return None
        return {
            "ndcg_at_10": round(float(self.ndcg_at_10[chosen].mean()), 4),
            "recall_at_100": round(float(self.recall_at_100[chosen].mean()), 4),
            "mrr": round(float(self.reciprocal_rank[chosen].mean()), 4),
            "n": int(chosen.sum()),
        }


def queries_of(
    collection: Collection, *, through: int, cutting: Cutting, generator: np.random.Generator
) -> list[Asked]:
    """Return what an index of a collection is asked.

    Parameters
    ----------
    collection
        Whose documents and judgements.
    through
        Known items are cut from documents that have not changed since this change, so that an older
        index is asked for nothing that it cannot know.
    cutting
        How passages are cut.
    generator
        Draws documents and words.
    """
    judged = [
        Asked(one.query, dict(one.gains), JUDGED)
        for one in judgements.load(collection)[:MOST_JUDGED]
    ]
    return judged + _known_items(collection, through, cutting, generator)


def _known_items(
    collection: Collection, through: int, cutting: Cutting, generator: np.random.Generator
) -> list[Asked]:
    documents = Document.objects.present().filter(collection=collection, sequence__lte=through)
    bounds = list(documents.order_by("pk").values_list("pk", flat=True)[:1])
    last = documents.order_by("-pk").values_list("pk", flat=True).first()
    found: dict[str, Asked] = {}
    for _ in range(N_KNOWN_ITEMS * _TRIES if bounds and last is not None else 0):
        at_least = int(generator.integers(bounds[0], (last or 0) + 1))
        row = documents.filter(pk__gte=at_least).order_by("pk").first()
        query = _words_of(row, cutting, generator) if row is not None else ""
        if row is not None and query:
            found.setdefault(query, Asked(query, {row.external_id: 1.0}, KNOWN_ITEM))
        if len(found) == N_KNOWN_ITEMS:
            break
    return list(found.values())


def _words_of(document: Document, cutting: Cutting, generator: np.random.Generator) -> str:
    passages = passages_of(document, cutting)
    if not passages:
        return ""
    words = passages[int(generator.integers(len(passages)))].text.split()
    length = int(generator.integers(*_WORDS))
    start = int(generator.integers(0, max(1, len(words) - length + 1)))
    return " ".join(words[start : start + length])[:1000]


def frozen(asked: Sequence[Asked]) -> bytes:
    """Return queries as the file of an evaluation set."""
    return canonical_json({"queries": [asdict(one) for one in asked]})


def thawed(data: bytes) -> list[Asked]:
    """Return the queries of an evaluation set's file."""
    return [Asked(**one) for one in json.loads(data)["queries"]]


def ask(
    index: Index,
    asked: Sequence[Asked],
    options: SearchOptions,
    check: Callable[[], None] | None = None,
) -> Achieved:
    """Ask an index queries and hold its answers against the right ones.

    A known item is found in another document's passage too when that holds it word for word: which
    copy comes first says nothing of an index.

    Parameters
    ----------
    options
        How the collection is searched; the snippets are not looked at.
    """
    options = replace(options, snippet_chars=40)
    rows = np.zeros((len(asked), 3))
    for place, one in enumerate(asked):
        if check is not None:
            check()
        hits = index.search(one.query, "hybrid", DEPTH, options=options).hits
        ranked = list(dict.fromkeys(_answer(one, hit.passage) for hit in hits))
        rows[place] = (
            ndcg(ranked, one.gains),
            recall(ranked, one.gains, DEPTH),
            reciprocal_rank(ranked, one.gains),
        )
    kinds = np.array([one.kind for one in asked], dtype=np.str_)
    return Achieved(rows[:, 0], rows[:, 1], rows[:, 2], kinds)


def _answer(asked: Asked, passage: Passage) -> str:
    is_copy = asked.kind == KNOWN_ITEM and asked.query in " ".join(passage.text.split())
    return next(iter(asked.gains)) if is_copy else passage.document_id


def score(version: ModelVersion, evaluation_set: EvaluationSet) -> RowScores:
    """Return what a version achieves on the queries of a frozen set, as the gate compares it.

    It is asked as it would answer now, with all that changed since it was built: a version from
    before a collection grew would otherwise win by having less to choose from.

    Raises
    ------
    Corrupt
        When a file of the version or of the set does not match its digest.
    """
    asked = thawed(artifacts.read(evaluation_set.artifact_id))
    held = loading.load(version, version.settings["collection"])
    try:
        collection = Collection.objects.filter(name=held.collection).first()
        if collection is not None:
            loading.catch_up(held, collection.sequence)
        achieved = ask(held.index, asked, own_options(collection))
    finally:
        held.index.close()
    ones = np.ones(len(asked))
    return RowScores(
        parts={
            "ndcg_at_10": (achieved.ndcg_at_10, ones),
            "recall_at_100": (achieved.recall_at_100, ones),
            "reciprocal_rank": (achieved.reciprocal_rank, ones),
        },
        group_ids=np.arange(len(asked)),
        slices={"query": achieved.kinds},
    )


def own_options(collection: Collection | None) -> SearchOptions:
    """Return how a collection is searched by whoever says nothing else."""
    return search_options(collection.search_defaults) if collection else SearchOptions()


def judged_digest(asked: Sequence[Asked]) -> str:
    """Return the digest of the judgements among what was asked."""
    return judgements.digest(Judged(one.query, one.gains) for one in asked if one.kind == JUDGED)


def report(achieved: Achieved) -> dict[str, Any]:
    """Return the means by kind of query, as a version keeps them."""
    return {kind: achieved.means(kind) for kind in (JUDGED, KNOWN_ITEM)}
