"""Collections nobody wishes for: too small, of one word, of duplicates; filters that leave none."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from portal.core.actors import Actor
from portal.core.errors import NotFound
from portal.runs.context import RunContext
from search.lab.engine import corpora, measuring, truth
from search.lab.engine.corpora import Corpus
from search.lab.engine.engines.registry import engines
from search.lab.engine.matrix import Cell, Matrix
from search.lab.engine.problems import CorpusProblem
from search.lab.models import Campaign
from search.lab.services import campaigns, making
from search.lab.services.processes import Watch
from search.lab.services.shelf import Shelf
from search.lab.services.turns import Turns

ACTOR = Actor.system("test")
PLAN = Matrix(
    scales=(2_000,),
    dimensions=(32,),
    search_types=("vector",),
    filters=(0.001,),
    engines=("hnswlib",),
)


def of_words(folder: Path, count: int, name: str = "own") -> corpora.TextFolder:
    return corpora.of_collection(folder, name, lambda: (f"부품{at:05d}" for at in range(count)))


def test_a_collection_leaves_the_least_scale_when_its_questions_are_held_out(
    tmp_path: Path,
) -> None:
    with pytest.raises(CorpusProblem, match="has 1099 passages: at least 1100"):
        of_words(tmp_path, 1_099)
    made = of_words(tmp_path, 1_100)
    assert Matrix(scales=(made.n_passages,)).scales == (1_000,)
    with pytest.raises(CorpusProblem, match="has 0 passages"):
        of_words(tmp_path, 0, "empty")


@pytest.mark.django_db
def test_a_campaign_of_a_size_that_is_refused_now_has_a_recall_all_the_same() -> None:
    made = campaigns.create(plan=PLAN, name="small", actor=ACTOR)
    campaigns.set_scale(campaign=made, scale=900)
    assert Campaign.objects.get(pk=made.pk).recall is None


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("압력을 확인한다. 다음", "압력을 확인한다"),
        (". 처음에 점", ". 처음에 점"),
        ("한마디", "한마디"),
    ],
)
def test_a_passage_always_gives_a_question(text: str, asked: str) -> None:
    assert corpora._first_sentence(text) == asked


def test_questions_without_a_vector_are_not_asked(tmp_path: Path) -> None:
    """A word that occurs in one passage alone is unknown once that passage is held out."""

    def texts() -> Iterator[str]:
        for at in range(1_200):
            yield "온도 압력 점검" if at % 2 else "가" * (at % 7)

    made = corpora.with_vectors(tmp_path, corpora.of_collection(tmp_path, "own", texts), 16)
    asked = measuring.asked(made, proving=False)
    assert 0 < len(asked) < len(made.queries)
    assert made.queries[asked].any(axis=1).all()
    proving, choosing = measuring.asked(made, proving=True), measuring.choosing(made)
    assert sorted([*proving, *choosing]) == asked.tolist()


def test_a_duplicate_is_as_good_as_the_passage_it_repeats(tmp_path: Path) -> None:
    def texts() -> Iterator[str]:
        for at in range(1_200):
            yield f"온도 {at % 40} 압력 {at % 25} 점검 절차"

    made = corpora.with_vectors(tmp_path, corpora.of_collection(tmp_path, "own", texts), 16)
    twins = truth.twins(made, tmp_path)
    assert len(np.unique(twins)) < len(twins) / 2
    assert np.array_equal(made.vectors[twins], made.vectors)
    exact = truth.exact(made, tmp_path, None)[:1]
    best, ones = exact[0, 0], np.ones(1)
    other = np.flatnonzero(twins == twins[best])
    other = other[other != best][:1]
    assert measuring.scored([other], exact, ones, ones).recall_at_1[0] == 0.0
    same = measuring.scored([other], exact, ones, ones, twins)
    assert (same.recall_at_1[0], same.reciprocal_rank[0]) == (1.0, 1.0)
    whole = measuring.scored([exact[0, :10]], exact, ones, ones, twins)
    assert whole.recall_at_10[0] == 1.0
    fewer = measuring.scored([exact[0, :1]], exact, ones, ones, twins)
    assert fewer.recall_at_10[0] == pytest.approx(0.1)


def test_a_filter_that_leaves_nothing_is_said_before_anything_is_built(
    corpus: Corpus, tmp_path: Path
) -> None:
    texts = replace(corpus.texts)
    texts.__dict__["buckets"] = np.full(texts.n_passages, 999, np.int16)
    none = replace(corpus, texts=texts, digest="none")
    assert truth.n_passing(none, 0.001) == 0
    assert (truth.exact(none, tmp_path, 0.001) == -1).all()


@pytest.mark.django_db
def test_the_cells_of_such_a_filter_fail_by_name(corpus: Corpus) -> None:
    texts = replace(corpus.texts)
    texts.__dict__["buckets"] = np.full(texts.n_passages, 999, np.int16)
    made = campaigns.create(plan=PLAN, name="none", actor=ACTOR)
    rows = list(made.cells.all())
    said = making.without_rows(replace(corpus, texts=texts), rows)
    assert "A filter of 0.001 lets none of the 2,000 passages through" in said[rows[0].pk]
    texts.__dict__["buckets"] = np.zeros(texts.n_passages, np.int16)
    assert making.without_rows(replace(corpus, texts=texts), rows) == {}


def test_more_candidates_than_passages_pass_are_no_problem(corpus: Corpus, tmp_path: Path) -> None:
    """Three of 2,000 passages pass, and every engine that filters within finds them."""
    texts = replace(corpus.texts)
    buckets = np.full(texts.n_passages, 999, np.int16)
    buckets[[5, 700, 1_999]] = 0
    texts.__dict__["buckets"] = buckets
    few = replace(corpus, texts=texts, digest="three")
    for name in ("faiss-flat", "faiss-sq8", "duckdb-exact", "millwright"):
        engine, folder = engines()[name], tmp_path / name
        (folder / "vectors").mkdir(parents=True)
        parameters = {one.name: one.default for one in engine.parameters}
        engine.build(few.vectors, few.buckets, folder / "vectors", parameters, lambda: None)
        cell = Cell(name, 2_000, 32, filter_share=0.001)
        found = measuring.measure(cell, engine, few, folder, tmp_path, time_limit_s=0.2)
        assert found.wanted == 3
        assert not found.falls_short, name
        assert found.samples.recall_at_10.mean() == 1.0, name


@pytest.mark.django_db
def test_a_campaign_that_is_gone_ends_its_work_by_name() -> None:
    made = campaigns.create(plan=PLAN, name="gone", actor=ACTOR)
    watch = Watch(cast("RunContext", None), made)
    Campaign.objects.filter(pk=made.pk).delete()
    with pytest.raises(NotFound, match="“gone” was removed while it was at work"):
        watch.look()


@pytest.mark.django_db
def test_a_cell_whose_index_is_gone_fails_by_name(corpus: Corpus, tmp_path: Path) -> None:
    made = campaigns.create(plan=PLAN, name="gone", actor=ACTOR)
    (row,) = made.cells.all()
    failed: list[str] = []
    turns = Turns(
        cast("RunContext", None),
        made,
        cast("Watch", None),
        Shelf(tmp_path / "indexes", {}),
        tmp_path / "passes",
        lambda *_words: pytest.fail("nothing can be measured"),
        lambda *_words: None,
        lambda _row, reason: failed.append(reason),
    )
    turns._go_through(corpus, row, 0)
    assert len(failed) == 1
    assert "The index that hnswlib built is not there" in failed[0]
