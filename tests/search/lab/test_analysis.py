"""The analyses on data whose answer is known."""

import math
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from search.lab.engine.analysis import choosing, comparing, effects, outliers, scaling
from search.lab.engine.analysis.points import Point
from search.lab.engine.matrix import Cell, Matrix
from search.lab.engine.measuring import Samples
from search.lab.engine.problems import AnalysisProblem, MatrixProblem
from search.lab.engine.statistics import Figure

ENGINES = {"faiss-hnsw-sq8": 0.2, "duckdb-hnsw": 2.0}


def points(noise: float = 0.02, seed: int = 0) -> list[Point]:
    """Return cells with a latency of base, scale^0.3 and dimension^0.9 multiplied."""
    generator = np.random.default_rng(seed)
    found = []
    for (engine, base), scale, dimension, share in product(
        ENGINES.items(), (10_000, 100_000, 250_000), (128, 512), (None, 0.1)
    ):
        latency = base * (scale / 1e4) ** 0.3 * (dimension / 128) ** 0.9
        latency *= float(np.exp(generator.normal(0, noise)))
        cell = Cell(engine, scale, dimension, "vector", share)
        found.append(Point(cell, latency, latency * 1.5, 0.97, 100.0, 1.0, 10.0))
    return found


def test_effects_are_ranked_and_what_does_nothing_has_none() -> None:
    found = {one.factor: one for one in effects.effects(points())}
    assert next(iter(found)) == "engine"
    assert found["engine"].omega_squared > 0.9
    assert found["scale"].p_value < 1e-6
    assert found["filter_share"].p_value > 0.05
    assert found["engine"].levels["duckdb-hnsw"] == pytest.approx(10**0.5, rel=0.05)
    assert "search_type" not in found


def test_engines_that_differ_are_told_and_the_ratio_is_named() -> None:
    (pair,) = effects.pairs(points())
    assert pair.first == "duckdb-hnsw"
    assert pair.ratio == pytest.approx(10, rel=0.05)
    assert pair.p_value < 0.01
    assert pair.n_cells == 12


def test_holm_corrects_as_published() -> None:
    corrected = effects.holm([0.01, 0.04, 0.03, 0.005])
    assert corrected == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_the_interval_of_the_scaling_law_covers_it_as_often_as_it_says() -> None:
    hits = 0
    for seed in range(50):
        laws = {(one.engine, one.axis): one for one in scaling.laws(points(seed=seed))}
        law = laws["duckdb-hnsw", "scale"]
        hits += law.low <= 0.3 <= law.high
        assert laws["duckdb-hnsw", "dimension"].exponent == pytest.approx(0.9, abs=0.1)
    assert 43 <= hits <= 50


def test_the_largest_corpus_is_predicted_from_smaller_ones_and_the_error_said() -> None:
    beyond = scaling.cost_model(points()).beyond
    assert beyond is not None
    assert (beyond.scale, beyond.n) == (250_000, 8)
    assert beyond.error < 0.1


def test_cells_of_one_scale_say_nothing_of_another() -> None:
    one_scale = [
        replace(one, cell=replace(one.cell, scale=10_000, dimension=dimension))
        for one, dimension in zip(points(), [128, 256, 512, 1024] * 6, strict=True)
    ]
    model = scaling.cost_model(one_scale)
    assert model.beyond is None
    assert model.predict(Cell("duckdb-hnsw", 10_000, 768)) is not None
    assert model.predict(Cell("duckdb-hnsw", 100_000, 768)) is None


def test_the_cost_model_predicts_a_cell_that_was_not_run() -> None:
    model = scaling.cost_model(points())
    predicted = model.predict(Cell("duckdb-hnsw", 1_000_000, 256, "vector"))
    assert predicted is not None
    truth = 2.0 * 100**0.3 * 2**0.9
    assert predicted.low_ms <= truth <= predicted.high_ms
    assert model.error < 0.05
    assert model.predict(Cell("pgvector", 10_000, 128)) is None


def test_no_analysis_counts_a_cell_that_is_not_sound() -> None:
    own = points()
    odd = [
        replace(one, p50_ms=one.p50_ms * 40, p95_ms=0.001, is_sound=False)
        for one in points(seed=1)
        if one.cell.dimension == 512
    ]
    both = own + odd
    assert effects.effects(both) == effects.effects(own)
    assert effects.pairs(both) == effects.pairs(own)
    assert scaling.laws(both) == scaling.laws(own)
    assert scaling.cost_model(both).error == scaling.cost_model(own).error
    assert scaling.cost_model(both).beyond == scaling.cost_model(own).beyond
    assert outliers.outliers(both) == outliers.outliers(own)
    assert choosing.pareto(both) == choosing.pareto(own)
    assert choosing.recommend(both) == choosing.recommend(own)
    with pytest.raises(AnalysisProblem, match="has 0"):
        effects.effects(odd)


def test_too_few_cells_are_refused_with_their_number() -> None:
    with pytest.raises(AnalysisProblem, match="needs at least 8 measured cells and has 3"):
        effects.effects(points()[:3])


def test_the_front_holds_what_nothing_beats() -> None:
    slow, fast, exact, unsound = [points()[0]] * 4
    slow = replace(slow, p50_ms=5.0, recall_at_10=0.9, memory_mb=100)
    fast = replace(fast, p50_ms=1.0, recall_at_10=0.95, memory_mb=100)
    exact = replace(exact, p50_ms=9.0, recall_at_10=1.0, memory_mb=300)
    unsound = replace(unsound, p50_ms=0.1, recall_at_10=1.0, memory_mb=1, is_sound=False)
    assert choosing.pareto([slow, fast, exact, unsound]) == [fast, exact]
    untold = [replace(one, memory_mb=math.nan) for one in (slow, fast, exact)]
    assert choosing.pareto(untold) == untold[1:]
    larger = replace(slow, cell=replace(slow.cell, scale=250_000), p50_ms=50.0)
    assert choosing.pareto([slow, fast, larger]) == [fast, larger]


def test_a_recommendation_meets_the_wishes_or_says_that_none_does() -> None:
    wanted = choosing.recommend(points(), min_recall=0.9, max_p95_ms=10.0)
    assert wanted.point is not None
    assert wanted.point.cell.engine == "faiss-hnsw-sq8"
    assert wanted.runner_up is not None
    assert wanted.n_meeting <= wanted.n_considered == len(points())
    needs = choosing.by_need(points())
    assert [(one.scale, one.filter_share) for one in needs][:2] == [(10_000, 0.1), (10_000, 1.0)]
    assert all(len({one.cell.scale for one in own}) == 1 for own in needs.values())
    nothing = choosing.recommend(points(), min_recall=0.999)
    assert (nothing.point, nothing.reason) == (None, "none")


def test_a_recall_is_met_by_what_is_sure_of_it() -> None:
    base = points()[0]
    may = replace(base, p95_ms=1.0, recall_at_10=0.951, recall_interval=(0.944, 0.958))
    surely = replace(base, p95_ms=2.0, recall_at_10=0.97, recall_interval=(0.962, 0.978))
    found = choosing.recommend([may, surely], min_recall=0.95)
    assert (found.point, found.reason, found.is_recall_sure) == (surely, "only", True)
    found = choosing.recommend([may], min_recall=0.95)
    assert (found.point, found.is_recall_sure) == (may, False)
    # What calibrated a breadth was surely enough on other questions, and these agree with it.
    calibrated = replace(may, cell=replace(may.cell, recall=0.95))
    assert choosing.recommend([calibrated, surely], min_recall=0.95).point == calibrated
    below = replace(calibrated, recall_interval=(0.930, 0.945))
    assert choosing.recommend([below, surely], min_recall=0.95).point == surely


def test_a_choice_says_whether_the_next_best_may_be_as_fast() -> None:
    fast, slow = (replace(points()[0], p95_ms=ms) for ms in (1.0, 1.2))
    for low, expected in ((1.1, choosing.SURELY), (0.9, choosing.EVEN)):
        lead = Figure(1.2, low, 1.4, 100)

        def ratio(slower: Point, faster: Point, lead: Figure = lead) -> Figure | None:
            return lead if (slower, faster) == (slow, fast) else None

        found = choosing.recommend([slow, fast], min_recall=0.9, ratio=ratio)
        assert (found.point, found.runner_up, found.sureness) == (fast, slow, expected)
    assert choosing.recommend([slow, fast], min_recall=0.9).sureness == choosing.UNKNOWN
    assert choosing.recommend([fast], min_recall=0.9).sureness == choosing.ONLY


def test_each_length_can_be_a_need_of_its_own() -> None:
    needs = choosing.by_need(points(), each_length=True)
    assert {(one.scale, one.dimension) for one in needs} == {
        (scale, dimension) for scale in (10_000, 100_000, 250_000) for dimension in (128, 512)
    }


def test_the_tail_of_a_cell_is_told_from_that_of_another_over_passes() -> None:
    generator = np.random.default_rng(4)
    base = generator.lognormal(0, 0.3, 200)

    def samples(factor: float, n_passes: int) -> Samples:
        wall = np.concatenate(
            [base * factor * generator.lognormal(0, 0.01) for _ in range(n_passes)]
        )
        ones, asked = np.ones(len(wall)), np.tile(np.arange(200), n_passes)
        passes = np.repeat(np.arange(n_passes), 200)
        return Samples(wall, wall, ones.astype(int), ones, ones, ones, ones, asked, passes)

    clear = comparing.tails(samples(1.3, 5), samples(1.0, 5))
    even = comparing.tails(samples(1.0, 5), samples(1.0, 5))
    assert clear is not None
    assert even is not None
    assert 1.2 < clear.low < 1.3 < clear.high < 1.4
    assert even.low < 1 < even.high
    assert comparing.tails(samples(1.3, 1), samples(1.0, 5)) is None
    half = samples(1.3, 5).of(np.arange(0, 200, 2))
    same = comparing.tails(half, samples(1.0, 5))
    assert same is not None
    assert 1.2 < same.low < 1.3 < same.high < 1.4
    assert comparing.tails(half, samples(1.0, 5).of(np.arange(1, 200, 2))) is None


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (1.06, 1.2, comparing.SLOWER),
        (0.8, 0.94, comparing.FASTER),
        (0.97, 1.03, comparing.SAME),
        (0.9, 1.1, comparing.INCONCLUSIVE),
    ],
)
def test_a_verdict_follows_the_interval(low: float, high: float, expected: str) -> None:
    assert comparing.verdict(Figure((low + high) / 2, low, high, 100)) == expected


def repeated(factor: float, n_passes: int, seed: int) -> Samples:
    """Return the same questions in passes that differ by a percent."""
    base = np.random.default_rng(1).lognormal(0, 0.3, 500)
    generator = np.random.default_rng(seed)
    runs, noise = generator.normal(0, 0.01, (n_passes, 1)), generator.normal(0, 0.02, 500)
    wall = (base * factor * np.exp(runs + noise)).ravel()
    ones, asked = np.ones(len(wall)), np.tile(np.arange(500), n_passes)
    passes = np.repeat(np.arange(n_passes), 500)
    return Samples(wall, wall, ones.astype(np.int64) * 10, ones, ones, ones, ones, asked, passes)


@pytest.mark.parametrize(
    ("n_passes", "slower", "same"),
    [
        (5, comparing.SLOWER, comparing.SAME),
        (1, comparing.INCONCLUSIVE, comparing.INCONCLUSIVE),
    ],
)
def test_a_slowed_engine_is_flagged_the_same_one_is_not_and_one_pass_tells_neither(
    n_passes: int, slower: str, same: str
) -> None:
    alike, slow = Cell("hnswlib", 10_000, 128), Cell("usearch", 10_000, 128)
    now = {
        alike.key: (alike, repeated(1.0, n_passes, 2)),
        slow.key: (slow, repeated(1.2, n_passes, 3)),
    }
    then = {alike.key: (alike, repeated(1.0, 5, 4)), slow.key: (slow, repeated(1.0, 5, 5))}
    first, second = comparing.compare(now, then)
    assert (first.cell, first.verdict) == (slow, slower)
    assert (second.cell, second.verdict) == (alike, same)
    assert first.n_passes == n_passes


def test_the_full_matrix_has_48_cells_an_engine() -> None:
    assert len(Matrix(engines=["millwright"]).cells()) == 48
    assert len({cell.key for cell in Matrix().cells()}) == 3 * 48


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"scales": []}, "No scales is chosen"),
        ({"scales": [10]}, "scales is 10: it must lie between 1000"),
        ({"dimensions": ["x"]}, "dimensions is 'x'"),
        ({"dimensions": [True]}, "dimensions is True"),
        ({"engines": ["sonar"]}, "engines is 'sonar': choose from duckdb-hnsw"),
        ({"search_types": ["fuzzy"]}, "search_types is 'fuzzy'"),
        ({"filters": [2.0]}, "filters is 2.0"),
        ({"lexical": "grep"}, "lexical is 'grep'"),
        ({"scales": list(range(1_000, 3_000))}, "cells is 96000"),
    ],
)
def test_a_matrix_that_cannot_be_is_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(MatrixProblem, match=said):
        Matrix(**wrong)  # type: ignore[arg-type]


def test_a_cell_and_a_matrix_survive_json() -> None:
    matrix = Matrix(engines=["hnswlib"], parameters={"hnswlib": {"m": 8}})
    assert Matrix.from_dict(matrix.to_dict()) == matrix
    cell = matrix.cells()[0]
    assert Cell.from_dict(cell.to_dict()) == cell
    assert cell.key != replace(cell, parameters={"m": 16}).key
