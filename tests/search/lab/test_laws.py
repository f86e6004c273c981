"""How latency grows and what cells would cost, on latencies whose law is known."""

from collections.abc import Iterable, Sequence
from itertools import product

import numpy as np
import pytest

from search.lab.engine.analysis import fits, outliers, scaling
from search.lab.engine.analysis.points import Point
from search.lab.engine.matrix import Cell

SCALES, DIMENSIONS = (10_000, 100_000, 250_000), (128, 256, 512, 1024)


def point(cell: Cell, slope: float, noise: float = 0.0) -> Point:
    """Return a cell of 1 ms at 10,000 x 128 that grows with scale and a little with dimension."""
    latency = (cell.scale / 1e4) ** slope * (cell.dimension / 128) ** 0.5 * float(np.exp(noise))
    return Point(cell, latency, latency * 1.5, 0.97, 100.0, 1.0, 10.0)


def points(
    engine: str,
    slope: float,
    *,
    share: float | None = None,
    scales: Iterable[int] = SCALES,
    spread: float = 0.02,
    seed: int = 0,
) -> list[Point]:
    generator = np.random.default_rng(seed)
    return [
        point(Cell(engine, scale, dimension, "vector", share), slope, generator.normal(0, spread))
        for scale, dimension in product(scales, DIMENSIONS)
    ]


def of_scale(known: Sequence[Point]) -> dict[tuple[float | None, str], scaling.Law]:
    laws = (one for one in scaling.laws(known) if one.axis == "scale")
    return {(one.filter_share, one.means): one for one in laws}


def test_each_filter_has_a_law_of_its_own() -> None:
    known = [
        *points("duckdb-hnsw", 0.0),
        *points("duckdb-hnsw", 0.9, share=0.1, seed=1),
        *points("duckdb-hnsw", 0.5, share=0.01, seed=2),
    ]
    found = of_scale(known)
    for share, slope in ((None, 0.0), (0.1, 0.9), (0.01, 0.5)):
        law = found[share, ""]
        assert law.exponent == pytest.approx(slope, abs=0.03)
        assert law.high - law.low < 0.1
        assert law.n == 12


def test_an_engine_that_changes_its_way_has_a_law_on_either_side() -> None:
    below = points("millwright", 1.0, scales=(5_000, 10_000, 20_000))
    above = points("millwright", 0.1, scales=(50_000, 100_000, 200_000))
    found = of_scale([*below, *above])
    assert found[None, fits.CODES].exponent == pytest.approx(1.0, abs=0.05)
    assert found[None, fits.GRAPH].exponent == pytest.approx(0.1, abs=0.05)
    only_below = scaling.predictor(below)
    assert only_below.predict(Cell("millwright", 15_000, 256)) is not None
    assert only_below.predict(Cell("millwright", 100_000, 256)) is None


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (Cell("millwright", 10_000, 128), fits.CODES),
        (Cell("millwright", 30_000, 128), fits.GRAPH),
        (Cell("millwright", 10_000, 128, parameters={"exact_below": 0}), fits.GRAPH),
        (Cell("millwright", 10_000, 128, parameters={"exact_below": "no number"}), fits.CODES),
        (Cell("millwright", 10_000, 128, filter_share=0.1), fits.ROWS),
        (Cell("millwright", 100_000, 128, filter_share=0.1), fits.CODES),
        (Cell("millwright", 100_000, 128, filter_share=0.9), fits.GRAPH),
        (Cell("hnswlib", 100_000, 128, filter_share=0.1), ""),
    ],
)
def test_the_means_of_a_cell_follow_the_planner(cell: Cell, expected: str) -> None:
    assert fits.means(cell) == expected


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 5])
def test_eighty_of_a_hundred_cells_lie_in_their_interval_however_few_were_measured(
    degrees: int,
) -> None:
    places = list(product((128, 512, 256, 1024), (10_000, 100_000)))[: 3 + degrees]
    generator = np.random.default_rng(degrees)
    engines = [f"engine {number}" for number in range(400)]
    model = scaling.predictor(
        [
            point(Cell(engine, scale, dimension), 0.3, generator.normal(0, 0.1))
            for engine in engines
            for dimension, scale in places
        ]
    )
    hits = 0
    for engine in engines:
        truth = point(Cell(engine, 250_000, 384), 0.3, generator.normal(0, 0.1)).p50_ms
        predicted = model.predict(Cell(engine, 250_000, 384))
        assert predicted is not None
        hits += predicted.low_ms <= truth <= predicted.high_ms
    assert 0.74 <= hits / len(engines) <= 0.86


def test_a_prediction_says_what_is_known_of_its_error() -> None:
    three = scaling.cost_model(points("hnswlib", 0.3))
    assert three.beyond is not None
    reaches = {
        (cell.scale, cell.dimension): predicted.reach
        for cell in (
            Cell("hnswlib", 50_000, 384),
            Cell("hnswlib", 1_000_000, 384),
            Cell("hnswlib", 50_000, 2_048),
            Cell("hnswlib", 1_000, 384),
        )
        if (predicted := three.predict(cell))
    }
    assert list(reaches.values()) == ["within", "larger", "untried", "untried"]

    two = scaling.cost_model(points("hnswlib", 0.3, scales=SCALES[:2]))
    beyond = two.predict(Cell("hnswlib", 250_000, 256))
    assert two.beyond is None
    assert beyond is not None
    assert beyond.reach == "untried"


def test_a_cell_that_the_others_do_not_tell_is_no_proof_of_the_model() -> None:
    lonely = point(Cell("hnswlib", 250_000, 128), 0.3)
    model = scaling.cost_model([*points("hnswlib", 0.3, scales=(10_000,)), lonely])
    assert model.n == 4
    assert model.error < 0.1


def test_three_times_as_slow_stands_out_even_twice_and_nothing_else_does() -> None:
    noisy = [
        *points("hnswlib", 0.3, spread=0.1),
        *points("hnswlib", 0.8, share=0.1, spread=0.1, seed=1),
    ]
    assert outliers.outliers(noisy) == []
    for places in ((5,), (2, 7)):
        strange = list(noisy)
        for place in places:
            one = strange[place]
            strange[place] = Point(one.cell, one.p50_ms * 3, one.p95_ms, 0.97, 100.0, 1.0, 10.0)
        found = outliers.outliers(strange)
        assert {one.cell.key for one in found} == {noisy[place].cell.key for place in places}


def test_cells_that_follow_their_law_are_rarely_named() -> None:
    named = sum(
        bool(outliers.outliers(points("hnswlib", 0.3, spread=0.3, seed=seed)))
        for seed in range(100)
    )
    assert named <= 12
    assert outliers.outliers(points("hnswlib", 0.3, spread=0.0)) == []
    assert outliers.outliers([]) == []
