"""Histograms, steadiness and the load of others."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuning.engine import histogram, host, steady


@given(st.lists(st.integers(1, 10**11), min_size=1, max_size=200), st.floats(0.01, 0.999))
def test_a_quantile_is_off_by_no_more_than_a_bucket(latencies: list[int], share: float) -> None:
    counts = histogram.counted(np.array(latencies))
    assert counts.sum() == len(latencies)
    exact = float(np.quantile(latencies, share, method="inverted_cdf")) / 1e3
    width = 2 ** (1 / histogram.PER_OCTAVE)
    found = histogram.quantile_us(counts, share)
    assert exact / width * 0.999 <= found <= exact * width * 1.001


def test_no_latency_has_quantile_zero() -> None:
    assert histogram.quantile_us(np.zeros(histogram.N_BUCKETS), 0.99) == 0.0
    assert len(histogram.edges_us()) == histogram.N_BUCKETS


def noisy(level: float, n: int = 30) -> np.ndarray:
    return level * (1 + 0.05 * np.random.default_rng(4).standard_normal(n))


def test_a_flat_rate_without_growing_debt_is_steady() -> None:
    verdict = steady.judged(noisy(1_000), np.full(30, 5e6), noisy(4e5), warmup=5)
    assert verdict.steady
    assert verdict.why.startswith("Steady")


def test_a_falling_rate_is_not_steady_and_says_so() -> None:
    falling = np.linspace(2_000, 1_000, 30)
    verdict = steady.judged(falling, np.zeros(30), noisy(4e5), warmup=5)
    assert not verdict.steady
    assert "rate" in verdict.why


def test_growing_debt_is_not_steady_and_says_so() -> None:
    debt = np.cumsum(np.full(30, 3e5))
    verdict = steady.judged(noisy(1_000), debt, noisy(4e5), warmup=5)
    assert not verdict.steady
    assert "debt" in verdict.why


def test_a_short_or_idle_load_is_not_steady() -> None:
    assert not steady.judged(noisy(10, 6), np.zeros(6), noisy(10, 6), warmup=2).steady
    assert not steady.judged(np.zeros(30), np.zeros(30), np.zeros(30), warmup=2).steady


def test_one_stall_does_not_move_the_trend() -> None:
    rates = noisy(1_000)
    rates[20] = 0.0
    assert steady.judged(rates, np.zeros(30), noisy(4e5), warmup=5).steady
    assert steady.slope(np.arange(10.0)) == pytest.approx(1.0)


def test_foreign_load_leaves_out_ones_own_time() -> None:
    before, after = host.Reading(0.0, 100.0), host.Reading(10.0, 118.0)
    assert host.foreign_load(before, after, own_cpu_s=8.0) == pytest.approx(1.0)
    assert host.foreign_load(before, after, own_cpu_s=30.0) == 0.0
    assert host.foreign_load(before, before, own_cpu_s=0.0) == 0.0
    assert host.process_cpu_s(-1) == 0.0
    assert host.spin_ns(0.01) > 0
