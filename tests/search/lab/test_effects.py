"""What moves the latency, on latencies whose cause is known."""

from itertools import product

import numpy as np
import pytest

from search.lab.engine.analysis import effects
from search.lab.engine.analysis.points import Point
from search.lab.engine.matrix import Cell

SCALES, DIMENSIONS, SHARES = (10_000, 100_000, 250_000), (128, 256, 512, 1024), (None, 0.1)
BASES = {"duckdb-hnsw": 2.0, "hnswlib": 0.2, "millwright": 0.1}


def points(*, filtered: float = 1.0, steeper: float = 0.0, noise: float = 0.05) -> list[Point]:
    """Return cells of three engines; a filter multiplies those of millwright, and scale its own."""
    generator = np.random.default_rng(3)
    found = []
    for (engine, base), scale, dimension, share in product(
        BASES.items(), SCALES, DIMENSIONS, SHARES
    ):
        latency = base * (scale / 1e4) ** 0.3 * (dimension / 128) ** 0.5
        if engine == "millwright":
            latency *= (filtered if share else 1.0) * (scale / 1e4) ** steeper
        latency *= float(np.exp(generator.normal(0, noise)))
        cell = Cell(engine, scale, dimension, "vector", share)
        found.append(Point(cell, latency, latency, 0.97, 100.0, 1.0, 10.0))
    return found


def by_factor(known: list[Point]) -> dict[str, effects.Effect]:
    return {one.factor: one for one in effects.effects(known)}


def test_what_a_filter_and_the_scale_do_to_one_engine_alone_is_told() -> None:
    found = by_factor(points(filtered=3.0, steeper=0.5))
    assert found["engine:filter_share"].p_value < 1e-6
    assert found["engine:scale"].p_value < 1e-6
    levels = found["engine:filter_share"].levels
    ratios = {name: levels[f"{name}:0.1"] / levels[f"{name}:None"] for name in BASES}
    assert ratios["millwright"] == pytest.approx(3.0, rel=0.1)
    assert ratios["hnswlib"] == pytest.approx(1.0, rel=0.1)


def test_axes_that_act_on_all_engines_alike_are_not_told_together() -> None:
    found = by_factor(points())
    assert found["engine:filter_share"].omega_squared < 0.1
    assert found["engine:scale"].omega_squared < 0.1
    assert found["engine:scale"].degrees == 4
    assert found["scale"].p_value < 1e-6


def test_partial_shares_do_not_add_up_to_one() -> None:
    assert sum(one.omega_squared for one in effects.effects(points())) > 1.5


def test_an_engine_measured_on_large_corpora_alone_is_not_called_slow_for_it() -> None:
    known = [
        one for one in points(noise=0.01) if one.cell.engine != "hnswlib" or one.cell.scale > 1e4
    ]
    levels = by_factor(known)["engine"].levels
    assert levels["duckdb-hnsw"] / levels["hnswlib"] == pytest.approx(10.0, rel=0.03)
    assert levels["hnswlib"] / levels["millwright"] == pytest.approx(2.0, rel=0.03)


def test_too_few_cells_are_not_looked_at_together() -> None:
    few = [one for one in points() if one.cell.dimension == 128 and one.cell.scale < 2e5]
    assert {one.factor for one in effects.effects(few)} == {
        "engine",
        "scale",
        "filter_share",
        "engine:filter_share",
    }
