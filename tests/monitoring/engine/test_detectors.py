"""Worked values, slow references and invariants of single detectors."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river.drift import PageHinkley
from scipy import stats

from monitoring.engine.detectors import COLUMN, JOINT
from monitoring.engine.detectors.chi_square import chi_square
from monitoring.engine.detectors.jensen_shannon import jensen_shannon
from monitoring.engine.detectors.kl import kl
from monitoring.engine.detectors.page_hinkley import page_hinkley
from monitoring.engine.detectors.psi import psi
from monitoring.engine.reference import Rows, column_of

counts = st.lists(st.integers(0, 500), min_size=2, max_size=11)


def arrays(*values: list[int]) -> list[np.ndarray]:
    return [np.array(one, dtype=float) for one in values]


def test_kl_by_hand() -> None:
    reference, window = arrays([3, 1], [1, 3])

    p, q = [3.5 / 5, 1.5 / 5], [1.5 / 5, 3.5 / 5]
    by_hand = q[0] * math.log(q[0] / p[0]) + q[1] * math.log(q[1] / p[1])
    assert kl(reference, window) == pytest.approx(by_hand)
    assert psi(reference, window) == pytest.approx(2 * by_hand)


def test_half_a_value_keeps_an_empty_bin_finite() -> None:
    reference, window = arrays([10, 0], [0, 10])

    assert kl(reference, window) == pytest.approx(
        10.5 / 11 * math.log(21) - 0.5 / 11 * math.log(21)
    )


def test_bins_empty_on_both_sides_do_not_count() -> None:
    reference, window = arrays([30, 10], [12, 8])
    longer = [np.append(one, [0.0, 0.0]) for one in (reference, window)]

    for measure in (kl, psi, jensen_shannon, chi_square):
        assert measure(*longer) == pytest.approx(measure(reference, window))


def test_chi_square_is_that_of_a_contingency_table() -> None:
    reference, window = arrays([50, 30, 20], [10, 30, 15])

    table = np.stack([reference, window])
    assert chi_square(reference, window) == pytest.approx(stats.chi2_contingency(table).statistic)


@settings(deadline=None)
@given(counts, st.data())
def test_divergences_are_finite_and_vanish_for_equal_shares(
    values: list[int], data: st.DataObject
) -> None:
    reference = np.array(values, dtype=float)
    other = data.draw(st.lists(st.integers(0, 500), min_size=len(values), max_size=len(values)))
    window = np.array(other, dtype=float)

    for measure in (kl, psi, jensen_shannon, chi_square):
        assert 0 <= measure(reference, window) < np.inf
        assert measure(reference, reference) == pytest.approx(0, abs=1e-12)
    assert jensen_shannon(reference, window) <= math.log(2) + 1e-12


def test_ks_and_wasserstein_come_near_scipy() -> None:
    rng = np.random.default_rng(1)
    reference, window = rng.normal(size=1_000), rng.normal(0.3, 1.2, 700)
    column = column_of(reference)

    gap = COLUMN["kolmogorov_smirnov"].fit(column).statistic(window)
    assert gap == pytest.approx(stats.ks_2samp(reference, window).statistic, abs=0.01)
    area = COLUMN["wasserstein"].fit(column).statistic(window)
    exact = stats.wasserstein_distance(reference, window) / reference.std()
    assert area == pytest.approx(exact, abs=0.02)


def test_wasserstein_measures_how_far_beyond_the_reference() -> None:
    fitted = COLUMN["wasserstein"].fit(column_of(np.linspace(0, 1, 500)))

    near, far = fitted.statistic(np.full(100, 5.0)), fitted.statistic(np.full(100, 10.0))

    assert far - near == pytest.approx(5 / np.linspace(0, 1, 500).std())


def test_a_rising_share_of_missing_values_is_drift_for_binned_detectors() -> None:
    rng = np.random.default_rng(2)
    column = column_of(rng.normal(size=1_000))
    window = rng.normal(size=500)
    holed = np.where(rng.random(500) < 0.3, np.nan, window)

    for name in ("kl", "psi", "jensen_shannon", "chi_square", "kolmogorov_smirnov"):
        fitted = COLUMN[name].fit(column)
        assert fitted.statistic(holed) > 2 * fitted.statistic(window)


@pytest.mark.parametrize("name", sorted(COLUMN))
def test_a_column_that_was_always_missing_can_be_compared(name: str) -> None:
    fitted = COLUMN[name].fit(column_of(np.full(200, np.nan)))

    assert np.isfinite(fitted.statistic(np.full(50, np.nan)))
    assert np.isfinite(fitted.statistic(np.arange(50.0)))


@pytest.mark.parametrize("threshold", [1.0, 5.0, 15.0, 40.0])
def test_page_hinkley_signals_where_river_does(threshold: float) -> None:
    rng = np.random.default_rng(3)
    values = np.concatenate([rng.normal(size=300), rng.normal(0.4, 1, 300)])

    river: Any = PageHinkley(threshold=threshold)
    first = None
    for place, value in enumerate(values.tolist()):
        river.update(value)
        if river.drift_detected:
            first = place
            break

    above = np.flatnonzero(page_hinkley(values) > threshold)
    assert (int(above[0]) if len(above) else None) == first


def test_mmd_sees_a_dependence_that_no_column_shows() -> None:
    rng = np.random.default_rng(4)
    first = rng.normal(size=(1_000, 2))
    first[:, 1] += 2 * first[:, 0]
    window = rng.normal(size=(1_000, 2))
    window[:, 1] += 2 * rng.permutation(window[:, 0])

    fitted = JOINT.fit(Rows(first))

    quiet = fitted.statistic(first[rng.integers(0, 1_000, 1_000)])
    assert fitted.statistic(window) > 20 * quiet
    singles = [COLUMN["kl"].fit(column_of(first[:, i])) for i in (0, 1)]
    assert max(one.statistic(window[:, i]) for i, one in enumerate(singles)) < 0.05


def test_mmd_takes_rows_with_holes() -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(size=(300, 3))
    values[rng.random(values.shape) < 0.2] = np.nan
    values[:, 2] = np.nan

    assert np.isfinite(JOINT.fit(Rows(values)).statistic(values[:50]))
