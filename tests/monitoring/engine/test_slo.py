"""Budgets, burn rates and figures from buckets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.engine import slo

INF = float("inf")


def test_half_of_what_is_allowed_leaves_half_of_the_budget() -> None:
    # 1,000 of 1,000,000 may fail at 99.9 %.
    assert slo.budget_left(1_000_000, 500, 0.999) == pytest.approx(0.5)
    assert slo.budget_left(1_000_000, 3_000, 0.999) == pytest.approx(-2.0)


def test_a_rate_of_one_spends_the_budget_in_exactly_its_window() -> None:
    assert slo.burn_rate(1_000, 1, 0.999) == pytest.approx(1.0)
    # The workbook's example: 1.44 % of failures against 0.1 % allowed.
    assert slo.burn_rate(10_000, 144, 0.999) == pytest.approx(14.4)


@pytest.mark.parametrize("call", [slo.budget_left, slo.burn_rate])
def test_nothing_asked_and_nothing_allowed_have_no_figure(call) -> None:  # type: ignore[no-untyped-def]
    assert call(0, 0, 0.999) is None
    assert call(100, 1, 1.0) is None


def test_a_quantile_lies_within_its_bucket() -> None:
    buckets = {0.1: 50.0, 0.2: 50.0, INF: 0.0}
    assert slo.quantile(buckets, 0.5) == pytest.approx(0.1)
    assert slo.quantile(buckets, 0.75) == pytest.approx(0.15)
    assert slo.quantile(buckets, 1.0) == pytest.approx(0.2)


def test_beyond_the_last_bound_only_that_bound_is_known() -> None:
    assert slo.quantile({0.1: 1.0, INF: 9.0}, 0.99) == pytest.approx(0.1)
    assert slo.quantile({}, 0.5) is None
    assert slo.quantile({0.1: 0.0}, 0.5) is None


def test_what_is_slower_than_a_limit_is_counted_within_its_bucket() -> None:
    buckets = {0.01: 10.0, 0.02: 10.0, 0.05: 10.0, INF: 2.0}
    assert slo.n_above(buckets, 0.02) == pytest.approx(12.0)
    assert slo.n_above(buckets, 0.035) == pytest.approx(7.0)
    assert slo.n_above(buckets, 0.05) == pytest.approx(2.0)


@given(
    st.lists(st.floats(0.0001, 20.0), min_size=1, max_size=200),
    st.floats(0.01, 1.0),
)
def test_a_quantile_is_off_by_one_bucket_at_most(values: list[float], share: float) -> None:
    bounds = [0.001, 0.01, 0.1, 1.0, 10.0, INF]
    places = np.searchsorted(bounds, values, side="left")
    buckets = {bound: float((places == i).sum()) for i, bound in enumerate(bounds)}
    told = slo.quantile(buckets, share)
    exact = float(np.quantile(values, share, method="inverted_cdf"))
    i = int(np.searchsorted(bounds, exact, side="left"))
    assert told is not None
    assert (bounds[i - 1] if i else 0.0) - 1e-12 <= told <= min(bounds[i], 10.0) + 1e-12


@given(st.lists(st.floats(0.0001, 20.0), min_size=1, max_size=100), st.floats(0.001, 15.0))
def test_no_more_lies_above_than_there_is(values: list[float], limit: float) -> None:
    bounds = [0.001, 0.01, 0.1, 1.0, 10.0, INF]
    places = np.searchsorted(bounds, values, side="left")
    buckets = {bound: float((places == i).sum()) for i, bound in enumerate(bounds)}
    above = slo.n_above(buckets, limit)
    assert -1e-9 <= above <= len(values) + 1e-9
