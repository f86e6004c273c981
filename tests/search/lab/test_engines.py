"""One contract for every vector engine and every lexical leg."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from django.conf import settings

from search.engine.tokenizers import tokenizer
from search.lab import selectors
from search.lab.engine import truth
from search.lab.engine.contract import Engine, Opened, chosen
from search.lab.engine.corpora import TOKENIZER, Corpus, bucket_limit
from search.lab.engine.engines.registry import engines
from search.lab.engine.lexical import LEGS, Leg, OpenLeg
from search.lab.engine.matrix import ENGINES, GRAPHS, LEXICAL_LEGS
from search.lab.engine.problems import EngineProblem, MatrixProblem

K = 10


def connect() -> Any:
    database: dict[str, Any] = settings.DATABASES["default"]
    return psycopg.connect(
        host=database["HOST"],
        port=database["PORT"] or None,
        user=database["USER"],
        password=database["PASSWORD"],
        dbname="postgres",
    )


def nothing() -> None:
    return None


#: Every engine as it is, and the graph of the one that by itself searches so few without.
WAYS = [*((name, {}) for name in ENGINES), ("millwright", {"exact_below": 0})]


@pytest.fixture(scope="module", params=WAYS, ids=[*ENGINES, "millwright-graph"])
def way(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    name, parameters = request.param
    return str(name), dict(parameters)


@pytest.fixture(scope="module")
def engine(way: tuple[str, dict[str, Any]]) -> Engine:
    return engines(connect)[way[0]]


@pytest.fixture(scope="module")
def opened(
    engine: Engine,
    way: tuple[str, dict[str, Any]],
    corpus: Corpus,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Opened]:
    folder = tmp_path_factory.mktemp(engine.name)
    parameters = chosen(engine, way[1])
    engine.build(corpus.vectors, corpus.buckets, folder, parameters, nothing)
    index = engine.open(folder, parameters)
    yield index
    index.close()
    if drop := getattr(engine, "drop", None):
        drop(folder)


def test_it_finds_what_an_exact_search_finds(
    opened: Opened, corpus: Corpus, tmp_path: Path
) -> None:
    exact = truth.exact(corpus, tmp_path, None)
    found = [opened.search(query, K)[0] for query in corpus.queries[:100]]
    shared = [len(np.intersect1d(rows, exact[place, :K])) for place, rows in enumerate(found)]
    assert np.mean(shared) / K >= 0.9
    assert all(len(rows) == K for rows in found)


def test_its_scores_are_inner_products_best_first(opened: Opened, corpus: Corpus) -> None:
    rows, scores = opened.search(corpus.queries[0], K)
    assert (np.diff(scores) <= 1e-6).all()
    np.testing.assert_allclose(scores, corpus.vectors[rows] @ corpus.queries[0], atol=0.05)


def test_a_filter_lets_only_its_buckets_through(
    engine: Engine, opened: Opened, corpus: Corpus
) -> None:
    limit = bucket_limit(0.1)
    found = [opened.search(query, K, limit)[0] for query in corpus.queries[:20]]
    assert all((corpus.buckets[rows] < limit).all() for rows in found)
    if engine.filters == "before":
        assert all(len(rows) == K for rows in found)


def test_it_searches_as_broadly_as_rows_are_asked_for(
    engine: Engine, corpus: Corpus, tmp_path: Path
) -> None:
    narrow = {"ef_search": 16} if engine.name in GRAPHS else {}
    parameters = chosen(engine, narrow)
    engine.build(corpus.vectors, corpus.buckets, tmp_path, parameters, nothing)
    opened = engine.open(tmp_path, parameters)
    try:
        assert [len(opened.search(corpus.queries[0], k)[0]) for k in (10, 100, 10)] == [10, 100, 10]
    finally:
        opened.close()
        if drop := getattr(engine, "drop", None):
            drop(tmp_path)


def test_it_says_whether_the_index_was_used(engine: Engine, opened: Opened, corpus: Corpus) -> None:
    plan = opened.plan(corpus.queries[0], K)
    assert plan.evidence
    if engine.name == "pgvector":  # so small a table may be scanned: then it says so
        assert plan.uses_index == ("Seq Scan" not in plan.evidence)
        assert plan.way == ("graph" if plan.uses_index else "scan")
    else:
        assert plan.uses_index


def test_the_portals_own_engine_says_which_way_it_goes(
    engine: Engine, way: tuple[str, dict[str, Any]], opened: Opened, corpus: Corpus
) -> None:
    if engine.name != "millwright":
        assert opened.plan(corpus.queries[0], K).way in {"graph", "codes", "scan"}
        return
    assert opened.plan(corpus.queries[0], K).way == ("graph" if way[1] else "codes")
    narrow = opened.plan(corpus.queries[0], K, bucket_limit(0.1))
    assert (narrow.uses_index, narrow.way) == (False, "rows")
    facts = {"falls_short": False, "is_disturbed": False, "uses_index": False}
    assert selectors.flags(facts | {"way": "rows"}) == ()
    assert selectors.flags(facts) == ("no_index",)


def test_it_has_a_version_and_bounded_parameters(engine: Engine) -> None:
    assert engine.version()
    for parameter in engine.parameters:
        assert chosen(engine, {parameter.name: parameter.default})
        assert parameter.meaning
    with pytest.raises(EngineProblem, match="has no parameter 'speed'"):
        chosen(engine, {"speed": 1})


def test_a_build_that_is_told_to_stop_stops(engine: Engine, corpus: Corpus, tmp_path: Path) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.build(corpus.vectors, corpus.buckets, tmp_path, chosen(engine, {}), stop)


def test_parameters_out_of_bounds_are_refused() -> None:
    with pytest.raises(EngineProblem, match="ef_search is 0: it must lie between 1"):
        chosen(engines()["hnswlib"], {"ef_search": 0})
    with pytest.raises(EngineProblem, match="dtype is 'b1': choose from f32"):
        chosen(engines()["usearch"], {"dtype": "b1"})


def test_an_index_that_was_dropped_is_seen(corpus: Corpus, tmp_path: Path) -> None:
    engine = engines()["duckdb-hnsw"]
    parameters = chosen(engine, {})
    engine.build(corpus.vectors, corpus.buckets, tmp_path, parameters, nothing)
    from search.lab.engine.engines.duck import connect as duck  # noqa: PLC0415

    connection = duck(tmp_path / "lab.duckdb", "vss", threads=1, read_only=False)
    connection.execute("DROP INDEX near")
    connection.close()
    opened = engine.open(tmp_path, parameters)
    assert not opened.plan(corpus.queries[0], K).uses_index
    opened.close()


@pytest.fixture(scope="module", params=LEXICAL_LEGS)
def leg(request: pytest.FixtureRequest) -> Leg:
    return LEGS[request.param]


@pytest.fixture(scope="module")
def open_leg(
    leg: Leg, corpus: Corpus, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OpenLeg]:
    folder = tmp_path_factory.mktemp(leg.name)
    cut = tokenizer(TOKENIZER)
    texts = (cut.tokens(text) for batch in corpus.texts.texts() for text in batch)
    leg.build(texts, corpus.buckets, folder, nothing)
    index = leg.open(folder)
    yield index
    index.close()


def test_a_leg_finds_the_passage_whose_words_are_asked(open_leg: OpenLeg, corpus: Corpus) -> None:
    text = next(corpus.texts.texts())[7]
    rows, scores = open_leg.search(tokenizer(TOKENIZER).tokens(text)[:40], K, None)
    assert rows[0] == 7
    assert (np.diff(scores) <= 0).all()


def test_a_leg_keeps_to_the_filter(open_leg: OpenLeg, corpus: Corpus) -> None:
    tokens = tokenizer(TOKENIZER).tokens(corpus.texts.questions[0])
    rows, _ = open_leg.search(tokens, K, bucket_limit(0.1))
    assert len(rows)
    assert (corpus.buckets[rows] < bucket_limit(0.1)).all()


def test_a_leg_finds_nothing_for_words_that_nobody_wrote(open_leg: OpenLeg) -> None:
    rows, scores = open_leg.search(["zzzzqqq"], K, None)
    assert len(rows) == len(scores) == 0


def test_names_that_the_lab_does_not_have_are_refused() -> None:
    from search.lab.engine.engines.registry import engine  # noqa: PLC0415
    from search.lab.engine.lexical import leg  # noqa: PLC0415

    calls: list[Callable[[], object]] = [lambda: engine("sonar"), lambda: leg("grep")]
    for call in calls:
        with pytest.raises(MatrixProblem, match="choose from"):
            call()
