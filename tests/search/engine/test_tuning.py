"""Judging and tuning on judged queries."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from search.engine.index import Index, open_index
from search.engine.problems import QueryProblem
from search.engine.tuning import WEIGHTS, Judged, evaluate, tune

JUDGED = [
    Judged("용탕에 공기가 말려들어 생기는 것", {"doc-0": 2.0, "doc-6": 1.0}),
    Judged("증압을 높이는 까닭", {"doc-2": 1.0}),
    Judged("vacuum valve", {"doc-9": 1.0}),
    Judged("SKD61", {"doc-4": 1.0}),
    Judged("이형제 수분", {"doc-5": 1.0}),
    Judged("모르는 질문", {"absent": 1.0}),
]


@pytest.fixture
def index(built: Path) -> Iterator[Index]:
    opened = open_index(built, verify_files=False)
    yield opened
    opened.close()


def test_quality_is_the_mean_over_queries(index: Index) -> None:
    quality = evaluate(index, JUDGED, by="document")
    assert quality.n == 6
    assert quality.per_query[1:] == (1.0, 1.0, 1.0, 1.0, 0.0)
    assert quality.ndcg_at_10 == pytest.approx(sum(quality.per_query) / 6)
    assert quality.mrr == pytest.approx(5 / 6)


def test_passages_can_be_judged_too(index: Index) -> None:
    own = index.passages_of("doc-9")[0].id
    assert evaluate(index, [Judged("vacuum", {own: 1.0})]).ndcg_at_10 == 1.0


def test_tuning_tries_all_ways_and_tells_what_it_is_worth(index: Index) -> None:
    told: list[float] = []
    tuned = tune(index, JUDGED, by="document", on_progress=lambda f, *_: told.append(f))
    assert len(tuned.table) == 2 * len(WEIGHTS)
    assert tuned.table[0].ndcg_at_10 == max(one.ndcg_at_10 for one in tuned.table)
    assert (tuned.fusion, tuned.vector_weight) in {
        (one.fusion, one.vector_weight)
        for one in tuned.table
        if one.ndcg_at_10 == tuned.table[0].ndcg_at_10
    }
    assert tuned.held_out_ndcg_at_10 <= tuned.table[0].ndcg_at_10 + 1e-9
    assert tuned.is_better == (tuned.held_out_ndcg_at_10 > tuned.baseline_ndcg_at_10)
    assert told[-1] == 1.0


def test_what_check_raises_ends_the_tuning(index: Index) -> None:
    def check() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(index, JUDGED, check=check)


def test_too_few_queries_are_refused(index: Index) -> None:
    with pytest.raises(QueryProblem):
        tune(index, JUDGED[:3])
    with pytest.raises(QueryProblem):
        evaluate(index, [])
    with pytest.raises(QueryProblem):
        evaluate(index, JUDGED, by="page")
