"""Cells measured on a real corpus, and figures from their samples."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from search.engine.tokenizers import tokenizer
from search.lab import selectors
from search.lab.engine import hybrid, measuring, statistics
from search.lab.engine.contract import chosen
from search.lab.engine.corpora import TOKENIZER, Corpus
from search.lab.engine.engines import duck
from search.lab.engine.engines.registry import engines
from search.lab.engine.lexical import LEGS
from search.lab.engine.matrix import Cell
from search.lab.engine.measuring import K, Samples
from search.lab.engine.statistics import Figure
from search.lab.engine.usage import Held


@pytest.fixture(scope="module")
def built(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with the indexes of three engines and one lexical leg."""
    folder = tmp_path_factory.mktemp("built")
    for name in ("faiss-flat", "duckdb-hnsw", "millwright"):
        engine = engines()[name]
        (folder / name / "vectors").mkdir(parents=True)
        engine.build(
            corpus.vectors, corpus.buckets, folder / name / "vectors", chosen(engine, {}), _go_on
        )
    cut = tokenizer(TOKENIZER)
    leg = hybrid.leg_folder(folder, corpus, "tantivy")
    leg.mkdir()
    texts = (cut.tokens(text) for batch in corpus.texts.texts() for text in batch)
    LEGS["tantivy"].build(texts, corpus.buckets, leg, _go_on)
    for name in ("faiss-flat", "duckdb-hnsw", "millwright"):
        (folder / name / "tantivy").symlink_to(leg)
    return folder


def _go_on() -> None:
    return None


def cell(engine: str, corpus: Corpus, search_type: str, share: float | None = None) -> Cell:
    lexical = "tantivy" if search_type == "hybrid" else ""
    return Cell(engine, corpus.texts.n_passages, 32, search_type, share, lexical)


def measured(one: Cell, corpus: Corpus, built: Path) -> measuring.Measured:
    engine = engines()[one.engine]
    return measuring.measure(one, engine, corpus, built / one.engine, built, time_limit_s=2.0)


@pytest.mark.parametrize("search_type", ["vector", "hybrid"])
@pytest.mark.parametrize("share", [None, 0.1])
def test_an_exact_engine_has_a_recall_of_one(
    search_type: str, share: float | None, corpus: Corpus, built: Path
) -> None:
    found = measured(cell("faiss-flat", corpus, search_type, share), corpus, built)
    assert found.samples.recall_at_10.mean() == pytest.approx(1.0, abs=0.002)
    assert found.samples.reciprocal_rank.mean() > 0.99
    assert not found.falls_short
    assert len(found.samples) >= measuring.MIN_SAMPLES
    assert found.load_s > 0
    assert (found.samples.wall_ms > 0).all()


def test_an_engine_that_filters_afterwards_falls_short(corpus: Corpus, built: Path) -> None:
    found = measured(cell("duckdb-hnsw", corpus, "vector", 0.1), corpus, built)
    assert found.falls_short
    assert found.samples.n_rows.mean() < K
    assert found.samples.recall_at_10.mean() < 0.9


def test_a_vector_leg_that_falls_short_is_seen_behind_a_lexical_one_that_fills_up(
    corpus: Corpus, built: Path
) -> None:
    found = measured(cell("duckdb-hnsw", corpus, "hybrid", 0.1), corpus, built)
    assert (found.samples.n_rows == K).all()
    assert found.wanted_vector == hybrid.N_CANDIDATES
    assert found.vector_rows < 50
    assert found.falls_short
    whole = measured(cell("millwright", corpus, "hybrid", 0.1), corpus, built)
    assert whole.vector_rows == hybrid.N_CANDIDATES
    assert not whole.falls_short


def test_passes_of_before_vector_rows_were_counted_do_not_fall_short_of_them() -> None:
    exact = np.arange(10)[np.newaxis, :]
    samples = measuring.scored([np.arange(10)], exact, np.ones(1), np.ones(1))
    old = Samples.from_table(samples.to_table().drop_columns(["n_vector"]))
    assert old.n_vector.tolist() == [-1]
    held = Held(100.0, 120.0)
    found = measuring.Measured(old, True, "graph", 0.1, held, 0.0, wanted_vector=100)
    assert not found.falls_short


def test_the_portals_own_engine_fills_k_under_a_filter(corpus: Corpus, built: Path) -> None:
    found = measured(cell("millwright", corpus, "vector", 0.1), corpus, built)
    assert not found.falls_short
    assert found.samples.recall_at_10.mean() >= 0.99


def test_an_engine_whose_index_was_dropped_is_flagged(
    corpus: Corpus, built: Path, tmp_path: Path
) -> None:
    place = tmp_path / "vectors"
    shutil.copytree(built / "duckdb-hnsw/vectors", place)
    connection = duck.connect(place / "lab.duckdb", "vss", threads=1, read_only=False)
    connection.execute("DROP INDEX near")
    connection.close()
    one = cell("duckdb-hnsw", corpus, "vector")

    found = measuring.measure(one, engines()["duckdb-hnsw"], corpus, tmp_path, built)

    assert not found.uses_index
    assert found.samples.recall_at_10.mean() == pytest.approx(1.0, abs=0.002)
    facts = {"uses_index": found.uses_index, "falls_short": False, "is_disturbed": False}
    assert selectors.flags(facts) == ("no_index",)


def test_recall_and_rank_are_counted_against_the_exact_rows() -> None:
    exact = np.array([[5, 6, 7, 8, 9, 10, 11, 12, 13, 14], [1, 2, -1, -1, -1, -1, -1, -1, -1, -1]])
    found = [np.array([6, 5, 99]), np.array([1, 2])]
    samples = measuring.scored(found, exact, np.ones(2), np.ones(2))
    assert samples.recall_at_1.tolist() == [0.0, 1.0]
    assert samples.recall_at_5.tolist() == [0.4, 1.0]
    assert samples.recall_at_10.tolist() == [0.2, 1.0]
    assert samples.reciprocal_rank.tolist() == [0.5, 1.0]
    assert samples.n_rows.tolist() == [3, 2]


def test_samples_survive_a_table() -> None:
    exact = np.arange(10)[np.newaxis, :]
    samples = measuring.scored([np.arange(10)], exact, np.array([1.5]), np.array([1.0]))
    again = Samples.from_table(samples.to_table())
    assert again.wall_ms.tolist() == [1.5]
    assert again.recall_at_10.tolist() == [1.0]


def test_an_interval_covers_what_it_estimates_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(3)
    truth = float(np.exp(0.5 * 0.0))
    hits = 0
    for _ in range(100):
        figure = statistics.quantile(generator.lognormal(0.0, 0.5, 200), 0.5)
        hits += figure.low <= truth <= figure.high
    assert 85 <= hits <= 100


def test_a_ten_percent_slowdown_is_told_from_the_same() -> None:
    generator = np.random.default_rng(4)
    base = generator.lognormal(0.0, 0.3, 1_000)
    same = statistics.ratio_of_medians(base * generator.lognormal(0, 0.02, 1_000), base)
    slow = statistics.ratio_of_medians(base * 1.1 * generator.lognormal(0, 0.02, 1_000), base)
    assert same.low <= 1.0 <= same.high
    assert slow.low > 1.05


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.04567, "0.0457"),
        (1.0, "1.00"),
        (2.1, "2.10"),
        (99.949, "99.9"),
        (99.96, "100"),
        (1028.4, "1,028"),
    ],
)
def test_figures_for_people_have_no_exponents_and_keep_their_zeros(value: float, told: str) -> None:
    assert statistics.significant(value) == told
    assert str(Figure(value, value, value, 3)) == f"{told} ({told}-{told})"
