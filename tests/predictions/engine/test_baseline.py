"""Drift baselines."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictions.engine.baseline import DriftBaseline, drift_baseline, quantile_bins


def test_bins_of_a_hundred_different_values_hold_ten_each() -> None:
    bins = quantile_bins(np.arange(1.0, 101.0))

    assert bins.edges == (10, 20, 30, 40, 50, 60, 70, 80, 90)
    assert bins.counts == (10,) * 10


def test_repeated_values_merge_bins() -> None:
    bins = quantile_bins(np.array([1.0] * 50 + [2.0] * 50))

    assert bins.edges == (1.0,)
    assert bins.counts == (50, 50)


@pytest.mark.parametrize("values", [np.full(20, 3.0), np.full(20, np.nan), np.empty(0)])
def test_constant_or_empty_column_has_one_bin(values: np.ndarray) -> None:
    bins = quantile_bins(values)

    assert bins.edges == ()
    assert sum(bins.counts) + bins.n_missing == len(values)


@given(st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), max_size=60))
def test_every_value_is_in_one_bin_or_missing(values: list[float]) -> None:
    column = np.array(values, dtype=np.float64)

    bins = quantile_bins(column)

    assert sum(bins.counts) + bins.n_missing == len(values)
    assert list(bins.edges) == sorted(set(bins.edges))
    assert len(bins.edges) <= 9
    assert bins.count(column).tolist() == list(bins.counts)


def test_later_values_outside_fall_into_the_outer_bins() -> None:
    bins = quantile_bins(np.arange(1.0, 101.0))

    assert bins.count(np.array([-5.0, 500.0, np.nan])).tolist() == [1, *[0] * 8, 1]


def _baseline(n: int) -> DriftBaseline:
    rng = np.random.default_rng(1)
    matrix = rng.random((n, 2)).astype(np.float32)
    matrix[0, 0] = np.nan
    probability = rng.random(n)
    return drift_baseline(matrix, ["a", "b"], probability, probability > 0.7, seed=2)


def test_baseline_survives_json() -> None:
    baseline = _baseline(50)

    again = DriftBaseline.from_dict(json.loads(json.dumps(baseline.to_dict(), allow_nan=False)))

    assert again == baseline


def test_sample_is_capped_and_keeps_rows_together() -> None:
    baseline = _baseline(3_000)

    assert {len(column) for column in baseline.sample.values()} == {1_000}
    assert list(baseline.sample) == ["probability", "a", "b"]
    assert sum(baseline.classes.values()) == 3_000
