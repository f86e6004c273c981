"""Shares against limits, by hand and against a slow count."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.engine import expecting, heat, slo
from monitoring.engine.expecting import Limits

NAN = math.nan


def test_rows_are_counted_by_column_and_rule() -> None:
    matrix = np.array([[1.0, 5.0], [NAN, 50.0], [3.0, NAN], [1.0, 5.0], [9.0, -1.0]])
    limits = {"kind": Limits(allowed=(1.0, 3.0)), "heat": Limits(0.0, 10.0)}
    found = expecting.tally(matrix, ["kind", "heat"], limits)
    assert found.n == 5
    assert found.nulls == {"kind": 1, "heat": 1}
    assert found.odd == {"kind": 1}
    assert found.outside == {"heat": 2}
    assert found.n_duplicates == 1


@pytest.mark.parametrize(("limits", "n"), [(Limits(low=2.0), 1), (Limits(high=2.0), 1)])
def test_one_end_alone_is_a_limit(limits: Limits, n: int) -> None:
    found = expecting.tally(np.array([[1.0], [3.0]]), ["a"], {"a": limits})
    assert found.outside == {"a": n}


def test_rows_with_missing_values_repeat_one_another_too() -> None:
    matrix = np.array([[1.0, NAN], [1.0, NAN], [NAN, 1.0]])
    assert expecting.tally(matrix, ["a", "b"], {}).n_duplicates == 1


def test_no_rows_are_no_trouble() -> None:
    found = expecting.tally(np.empty((0, 2)), ["a", "b"], {"a": Limits(0.0, 1.0)})
    assert (found.n, found.nulls, found.n_duplicates) == (0, {}, 0)


def test_the_lower_end_of_the_interval_is_that_of_wilson() -> None:
    # 20 of 100 with z = 3: (.2 + .045 - 3 sqrt(.0016 + .000225)) / 1.09
    assert slo.interval(20, 100, 3.0)[0] == pytest.approx(0.107190, abs=1e-5)


@given(st.integers(1, 5_000), st.floats(0, 1))
def test_the_interval_holds_the_share(n: int, share: float) -> None:
    n_bad = round(n * share)
    low, high = slo.interval(n_bad, n)
    assert 0.0 <= low <= n_bad / n + 1e-12
    assert n_bad / n - 1e-12 <= high <= 1.0


def test_few_rows_and_few_faults_say_nothing() -> None:
    assert not expecting.surely_above(29, 29, 0.01)
    assert not expecting.surely_above(2, 100, 0.01)
    assert expecting.surely_above(12, 100, 0.01)


def test_quiet_columns_are_hardly_ever_found_guilty() -> None:
    n_bad = np.random.default_rng(1).binomial(500, 0.05, 4_000)
    wrong = sum(expecting.surely_above(int(n), 500, 0.05) for n in n_bad)
    assert wrong / 4_000 < 0.005


def test_the_hours_of_the_past_say_what_is_usual() -> None:
    assert expecting.volume_limits([100] * 23) is None
    low, high = expecting.volume_limits([90, *[100] * 30, 120]) or (0.0, 0.0)
    assert 25 < low < 100 / 2
    assert 300 < high < 400


def test_a_source_may_be_silent_twice_as_long_as_ever_before() -> None:
    hour, day = 3_600.0, 86_400.0
    working = [n * day + h * hour for n in range(9) for h in range(8) if n % 7 < 5]
    week_end = 2 * day + 17 * hour
    assert expecting.silence_limit_s(working) == pytest.approx(2 * week_end)


def test_before_a_week_end_was_seen_silence_is_not_judged() -> None:
    hours = [n * 3_600.0 for n in range(100)]
    assert expecting.silence_limit_s(hours) is None


def test_a_heat_map_frames_what_is_over_its_limit_and_leaves_the_unknown_out() -> None:
    drawn = heat.heat_map(["a"], [[0.0, 0.3, None]], [0.1], ["09", "10", "11"], marked_every=2)
    assert [(spot.level, spot.is_over) for spot in drawn.spots] == [(0, False), (4, True)]
    assert drawn.spots[1].text == "a · 10: 30.0 %"
    assert [mark.label for mark in drawn.marks] == ["09", "11"]
