"""How well an index answers judged queries, and which fusion answers them best."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from search.engine.index import Index
from search.engine.metrics import ndcg, recall, reciprocal_rank
from search.engine.options import SearchOptions
from search.engine.problems import QueryProblem
from search.engine.results import Hit

#: Hits looked at; recall counts them all.
DEPTH = 100
#: Weights of the vector leg that are tried for either fusion.
WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
N_FOLDS = 5
BY = ("passage", "document")


@dataclass(frozen=True)
class Judged:
    """A query and the gains of its answers.

    Attributes
    ----------
    gains : mapping
        Gain by id of a passage or document; what is not named has none.
    """

    query: str
    gains: Mapping[str, float]


@dataclass(frozen=True)
class Quality:
    """Means over judged queries.

    Attributes
    ----------
    per_query : tuple of float
        nDCG@10 of each query in order, for paired comparisons.
    """

    ndcg_at_10: float
    recall_at_100: float
    mrr: float
    n: int
    per_query: tuple[float, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the figures ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Tried:
    """One way to join the legs and its mean nDCG@10 over all queries."""

    fusion: str
    vector_weight: float
    ndcg_at_10: float


@dataclass(frozen=True)
class Tuned:
    """The chosen fusion.

    Attributes
    ----------
    held_out_ndcg_at_10, baseline_ndcg_at_10 : float
        Of the choice on queries it was not chosen by (cross-validation), and of the index's own
        setting on the same queries. Only the first is a promise.
    is_better : bool
        Whether the held-out figure beats the baseline; otherwise the setting is best left alone.
    table : tuple of Tried
        All ways, best first.
    """

    fusion: str
    vector_weight: float
    held_out_ndcg_at_10: float
    baseline_ndcg_at_10: float
    is_better: bool
    n: int
    table: tuple[Tried, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the result ready for JSON."""
        return asdict(self)


def evaluate(
    index: Index,
    judged: Sequence[Judged],
    *,
    mode: str = "hybrid",
    options: SearchOptions | None = None,
    by: str = "passage",
    check: Callable[[], None] | None = None,
) -> Quality:
    """Return how well an index answers judged queries.

    Parameters
    ----------
    by : str
        Whether gains name ``passage`` or ``document`` ids.
    check : callable or None
        Called before every query; what it raises ends the evaluation.

    Raises
    ------
    QueryProblem
        If there is no query, or one cannot be asked.
    """
    if not judged:
        raise QueryProblem("query_empty", field="judged")
    if by not in BY:
        raise QueryProblem("unknown_choice", field="by", value=repr(by), allowed=", ".join(BY))
    options = replace(options or SearchOptions(), snippet_chars=40)
    gained, recalled, reciprocal = [], [], []
    for one in judged:
        if check is not None:
            check()
        ranked = _ids(index.search(one.query, mode, DEPTH, options=options).hits, by)
        gained.append(ndcg(ranked, one.gains))
        recalled.append(recall(ranked, one.gains, DEPTH))
        reciprocal.append(reciprocal_rank(ranked, one.gains))
    return Quality(
        ndcg_at_10=float(np.mean(gained)),
        recall_at_100=float(np.mean(recalled)),
        mrr=float(np.mean(reciprocal)),
        n=len(judged),
        per_query=tuple(gained),
    )


def tune(
    index: Index,
    judged: Sequence[Judged],
    *,
    by: str = "passage",
    seed: int = 0,
    on_progress: Callable[[float, str, str], None] | None = None,
    check: Callable[[], None] | None = None,
) -> Tuned:
    """Choose fusion and vector weight by judged queries.

    Every way is tried on every query. The choice is the best over all of them; what it is worth is
    told by cross-validation, since the best of many always flatters itself.

    Raises
    ------
    QueryProblem
        If there are fewer queries than folds.
    """
    if len(judged) < N_FOLDS:
        raise QueryProblem(
            "wrong_number", field="judged", value=len(judged), low=N_FOLDS, high="any number"
        )
    ways = [(fusion, weight) for fusion in ("minmax", "rrf") for weight in WEIGHTS]
    scores = np.zeros((len(ways), len(judged)))
    for place, (fusion, weight) in enumerate(ways):
        options = SearchOptions(fusion=fusion, vector_weight=weight)
        quality = evaluate(index, judged, options=options, by=by, check=check)
        scores[place] = quality.per_query
        if on_progress is not None:
            message = f"{fusion} with weight {weight}: nDCG@10 {quality.ndcg_at_10:.3f}."
            on_progress((place + 1) / len(ways), "tuning", message)
    baseline = evaluate(index, judged, by=by, check=check).ndcg_at_10
    held_out = _held_out(scores, np.random.default_rng(seed))
    table = [
        Tried(fusion, weight, float(mean))
        for (fusion, weight), mean in zip(ways, scores.mean(axis=1), strict=True)
    ]
    best = ways[int(scores.mean(axis=1).argmax())]
    return Tuned(
        fusion=best[0],
        vector_weight=best[1],
        held_out_ndcg_at_10=held_out,
        baseline_ndcg_at_10=baseline,
        is_better=held_out > baseline,
        n=len(judged),
        table=tuple(sorted(table, key=lambda one: -one.ndcg_at_10)),
    )


def _held_out(
    scores: "np.ndarray[tuple[int, int], np.dtype[np.float64]]", generator: np.random.Generator
) -> float:
    """Return the mean score of queries under the way that the other folds' queries choose."""
    n_queries = scores.shape[1]
    folds = generator.permutation(n_queries) % N_FOLDS
    found = np.zeros(n_queries)
    for fold in range(N_FOLDS):
        held = folds == fold
        way = scores[:, ~held].mean(axis=1).argmax()
        found[held] = scores[way, held]
    return float(found.mean())


def _ids(hits: Sequence[Hit], by: str) -> list[str]:
    if by == "passage":
        return [hit.passage.id for hit in hits]
    return list(dict.fromkeys(hit.passage.document_id for hit in hits))
