"""Intervals that state what a repetition gives, and the passes they rest on."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from search.lab.engine import statistics
from search.lab.engine.analysis import comparing
from search.lab.engine.measuring import Samples, scored
from search.lab.services.passes import Passes, summed

N_PASSES, N_QUESTIONS = 5, 300
FACTS = {
    "uses_index": True,
    "falls_short": False,
    "is_disturbed": False,
    "load_s": 1.0,
    "peak_mb": 100.0,
    "foreign_cores": 0.1,
    "load_average": 0.5,
    "elapsed_s": 2.0,
    "p50_ms": 1.0,
    "measured_at": "2026-01-01T00:00:00+00:00",
    "per_second": {"1": [900.0]},
}

MADE_WITH = {"corpus": "a", "versions": {"faiss-cpu": "1.0", "duckdb": "1.5"}}


def campaign(
    generator: np.random.Generator, *, slowed: float = 1.0, spread: float = 0.015
) -> NDArray[np.float64]:
    """Measure the same questions in passes whose processes differ by some percent."""
    questions = np.random.default_rng(0).lognormal(0.0, 0.3, N_QUESTIONS)
    runs = np.exp(generator.normal(0.0, spread, (N_PASSES, 1)))
    noise = np.exp(generator.normal(0.0, 0.02, (N_PASSES, N_QUESTIONS)))
    return np.asarray(slowed * questions * runs * noise)


def median(own: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.median(own, axis=-1))


def test_a_repetition_falls_into_the_interval_as_often_as_it_says() -> None:
    generator = np.random.default_rng(7)
    figures = [statistics.over_passes(campaign(generator), median) for _ in range(40)]
    hits = [
        one.low <= other.value <= one.high for one in figures for other in figures if one != other
    ]
    assert np.mean(hits) >= 0.95


def test_without_passes_the_interval_misses_what_differs_between_processes() -> None:
    generator = np.random.default_rng(8)
    figures = []
    for _ in range(40):
        own = campaign(generator, spread=0.05)[0]
        questions = np.random.default_rng(0).lognormal(0.0, 0.3, N_QUESTIONS)
        figures.append(statistics.over_passes((own / questions)[np.newaxis, :], median))
    hits = [
        one.low <= other.value <= one.high for one in figures for other in figures if one != other
    ]
    assert np.mean(hits) < 0.5


def test_ten_percent_is_flagged_and_a_repetition_is_not() -> None:
    generator = np.random.default_rng(9)
    same, slow = [], []
    for _ in range(30):
        base = campaign(generator)
        ratio = statistics.ratio_over_passes(campaign(generator), base)
        same.append(comparing.verdict(ratio))
        ratio = statistics.ratio_over_passes(campaign(generator, slowed=1.1), base)
        slow.append(comparing.verdict(ratio))
    assert comparing.SLOWER not in same
    assert comparing.FASTER not in same
    assert slow.count(comparing.SLOWER) >= 27


def test_the_spread_of_the_passes_reaches_the_throughput() -> None:
    steady = np.full(5, 1.0)
    alone = statistics.throughput(np.array([100.0, 101.0, 99.0]), steady)
    spread = statistics.throughput(np.array([100.0, 101.0, 99.0]), np.exp(np.linspace(-1, 1, 5)))
    assert alone.high - alone.low < 5
    assert spread.low == 0.0
    assert spread.high > 200


def test_answers_a_second_have_an_interval_over_the_passes() -> None:
    found = statistics.rates({"1": [100.0, 110.0, 105.0], "2": [150.0, 150.0]})
    assert found["1"].low < 100 < found["1"].value < 110 < found["1"].high
    assert found["1"].n == 3
    assert found["2"].low == pytest.approx(150.0)
    none = statistics.rates({"1": [0.0, 1.0]})["1"]
    assert (none.low, none.value) == (0.0, 0.5)


def samples(n_questions: int = 20, factor: float = 1.0) -> Samples:
    exact = np.tile(np.arange(10), (n_questions, 1))
    wall = np.linspace(1, 2, n_questions) * factor
    return scored([np.arange(10)] * n_questions, exact, wall, wall)


def test_passes_are_joined_by_the_questions_that_all_of_them_asked() -> None:
    joined = Samples.joined([samples(20), samples(15, 2.0)])
    assert joined.pass_number.tolist() == [0] * 20 + [1] * 15
    grid = joined.grid(joined.wall_ms)
    assert grid.shape == (2, 15)
    assert np.allclose(grid[1], samples(15, 2.0).wall_ms)
    again = Samples.from_table(joined.to_table())
    assert again.question.tolist() == joined.question.tolist()


def test_samples_of_before_there_were_passes_are_one_pass() -> None:
    table = samples().to_table().drop_columns(["question", "pass_number"])
    found = Samples.from_table(table)
    assert found.grid(found.wall_ms).shape == (1, 20)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "samples.parquet"
    pq.write_table(samples().to_table(), path)
    return path


def test_a_kept_pass_comes_back_and_a_damaged_one_is_forgotten(
    tmp_path: Path, written: Path
) -> None:
    kept = Passes(tmp_path / "cell", MADE_WITH)
    assert not kept.has(0)
    for number in range(3):
        kept.keep(number, FACTS, written)
    found = kept.read(0)
    assert found is not None
    assert found.facts == FACTS
    assert len(found.samples) == 20
    facts = tmp_path / "cell/1/facts.json"
    content = json.loads(facts.read_text())
    facts.write_text(json.dumps(content | {"facts": FACTS | {"p50_ms": 0.1}}))
    (tmp_path / "cell/2/samples.parquet").write_bytes(b"PAR1")
    assert kept.read(1) is None
    assert kept.read(2) is None
    assert [kept.has(number) for number in range(3)] == [True, False, False]
    kept.clear()
    assert not (tmp_path / "cell").exists()


def test_a_pass_of_other_versions_or_another_corpus_is_not_read(
    tmp_path: Path, written: Path
) -> None:
    Passes(tmp_path / "cell", MADE_WITH).keep(0, FACTS, written)
    assert Passes(tmp_path / "cell", MADE_WITH).differences(0) == []
    newer = MADE_WITH | {"versions": {"faiss-cpu": "1.1", "duckdb": "1.5"}}
    kept = Passes(tmp_path / "cell", newer)
    assert kept.differences(0) == ["faiss-cpu 1.0 → 1.1"]
    other = Passes(tmp_path / "cell", MADE_WITH | {"corpus": "b"})
    assert other.differences(0) == ["another corpus"]
    assert kept.read(0) is None
    assert not kept.has(0)


def test_a_pass_that_does_not_say_what_made_it_is_not_read(tmp_path: Path, written: Path) -> None:
    kept = Passes(tmp_path / "cell", MADE_WITH)
    kept.keep(0, FACTS, written)
    facts = tmp_path / "cell/0/facts.json"
    content = json.loads(facts.read_text())
    del content["made_with"]
    facts.write_text(json.dumps(content))
    assert "an unknown corpus" in kept.differences(0)
    assert kept.read(0) is None


def test_what_is_said_against_a_pass_is_said_against_the_cell(
    tmp_path: Path, written: Path
) -> None:
    kept = Passes(tmp_path / "cell", MADE_WITH)
    kept.keep(0, FACTS, written)
    kept.keep(1, FACTS | {"uses_index": False, "is_disturbed": True, "peak_mb": 140.0}, written)
    found = [one for number in range(2) if (one := kept.read(number))]
    facts = summed(found)
    assert not facts["uses_index"]
    assert facts["is_disturbed"]
    assert (facts["peak_mb"], facts["elapsed_s"]) == (140.0, 4.0)
    assert [one["p50_ms"] for one in facts["passes"]] == [1.0, 1.0]


def test_answers_are_those_of_each_pass_and_of_its_parts_when_there_is_one(
    tmp_path: Path, written: Path
) -> None:
    kept = Passes(tmp_path / "cell", MADE_WITH)
    kept.keep(0, FACTS | {"per_second": {"1": [800.0, 1000.0], "2": [1500.0]}}, written)
    kept.keep(1, FACTS | {"per_second": {"1": [1000.0, 1000.0]}}, written)
    found = [one for number in range(2) if (one := kept.read(number))]
    assert summed(found)["per_second"] == {"1": [900.0, 1000.0], "2": [1500.0]}
    assert summed(found[:1])["per_second"]["1"] == [800.0, 1000.0]


def test_passes_of_before_the_engine_was_told_from_its_process_are_joined(
    tmp_path: Path, written: Path
) -> None:
    kept = Passes(tmp_path / "cell", MADE_WITH)
    kept.keep(0, FACTS | {"peak_mb": 345.0}, written)
    now = {"peak_mb": 150.0, "baseline_mb": 120.0, "engine_mb": 30.0}
    kept.keep(1, {name: FACTS[name] for name in FACTS if name != "per_second"} | now, written)
    facts = summed([one for number in range(2) if (one := kept.read(number))])
    assert {name: facts[name] for name in now} == now
    assert facts["per_second"] == {"1": [900.0]}
    assert facts["counted_s"] == 1.0  # by the parts of a pass of before it was told
    assert ["engine_mb" in one for one in facts["passes"]] == [False, True]
