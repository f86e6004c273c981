"""Checks of a data set before training."""

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from predictions.engine.checks import DataChecks, check
from predictions.engine.features import FEATURE_NAMES

Matrix = NDArray[np.float32]
SHOT = FEATURE_NAMES.index("Shot")


@pytest.fixture
def noise() -> Matrix:
    return np.random.default_rng(3).random((400, 30)).astype(np.float32)


@pytest.fixture
def labels() -> NDArray[np.bool_]:
    return np.random.default_rng(4).random(400) < 0.25


def _codes(found: DataChecks) -> set[str]:
    return {finding.code for finding in found.findings}


def test_pure_noise_has_no_findings(noise: Matrix, labels: NDArray[np.bool_]) -> None:
    found = check(noise, labels)

    assert found.findings == ()
    assert found.n_distinct == 400


def test_copies_are_counted_and_told_from_copies_of_the_row_before(
    noise: Matrix, labels: NDArray[np.bool_]
) -> None:
    noise[11], labels[11] = noise[10], labels[10]
    noise[99], labels[99] = noise[10], labels[10]

    found = check(noise, labels)

    assert (found.n_copies, found.n_copies_of_previous) == (2, 1)
    assert "copied_rows" in _codes(found)


def test_same_shot_under_another_number_is_a_repeated_input(
    noise: Matrix, labels: NDArray[np.bool_]
) -> None:
    noise[50] = noise[20]
    noise[50, SHOT] = 7
    labels[[20, 50]] = [False, True]

    found = check(noise, labels)

    assert (found.n_copies, found.n_repeated_inputs, found.n_contradictions) == (0, 1, 1)
    assert {"repeated_inputs", "contradicting_labels"} <= _codes(found)


def test_near_copy_differs_from_the_row_before_in_two_values(
    noise: Matrix, labels: NDArray[np.bool_]
) -> None:
    noise[31] = noise[30]
    noise[31, [4, 5]] = [8, 9]
    noise[41] = noise[40]
    noise[41, [4, 5, 6]] = [7, 8, 9]

    assert check(noise, labels).n_near_copies == 1


def test_constant_and_missing_columns_are_named(noise: Matrix, labels: NDArray[np.bool_]) -> None:
    noise[:, 3] = 5
    noise[:7, 4] = np.nan
    noise[:, 5] = np.nan

    found = check(noise, labels)

    assert found.constant == (FEATURE_NAMES[3], FEATURE_NAMES[5])
    assert found.missing == {FEATURE_NAMES[4]: 7, FEATURE_NAMES[5]: 400}
    assert {"constant_columns", "missing_values"} <= _codes(found)


@pytest.mark.parametrize("sign", [1, -1])
def test_feature_that_knows_the_outcome_is_named(
    noise: Matrix, labels: NDArray[np.bool_], sign: int
) -> None:
    noise[:, 8] = sign * (labels + 0.5 * noise[:, 8])

    found = check(noise, labels)

    assert [item.field for item in found.findings] == [FEATURE_NAMES[8]]
    assert found.single_auc[FEATURE_NAMES[8]] == 1.0


def test_feature_that_follows_the_order_is_a_clock(
    noise: Matrix, labels: NDArray[np.bool_]
) -> None:
    noise[:, 9] = np.arange(400) // 4

    found = check(noise, labels)

    assert [(item.field, item.code) for item in found.findings] == [(FEATURE_NAMES[9], "clock")]


def test_order_correlation_is_spearmans(noise: Matrix, labels: NDArray[np.bool_]) -> None:
    from scipy.stats import spearmanr  # noqa: PLC0415 - slow to import, one test needs it

    noise[:, 6] = (noise[:, 6] * 5).round() + np.arange(400) / 100
    expected = spearmanr(noise[:, 6], np.arange(400)).statistic

    assert check(noise, labels).order_correlation[FEATURE_NAMES[6]] == pytest.approx(expected)


def test_drifting_defect_share_is_named(noise: Matrix) -> None:
    labels = np.arange(400) % 10 < np.arange(400) // 80

    found = check(noise, labels)

    assert _codes(found) == {"share_drifts"}
    assert found.share_by_tenth[0] == 0


def test_wild_sensor_value_is_named(noise: Matrix, labels: NDArray[np.bool_]) -> None:
    noise[5, 12] = 1_000

    assert [item.field for item in check(noise, labels).findings] == [FEATURE_NAMES[12]]


def test_rows_out_of_time_order_are_named(noise: Matrix, labels: NDArray[np.bool_]) -> None:
    times: list[str | None] = [f"2026-01-01T00:{i // 60:02}:{i % 60:02}+00:00" for i in range(400)]
    times[7], times[8], times[9] = times[8], times[7], None

    assert _codes(check(noise, labels, times)) == {"time_disorder"}


def test_unlabelled_rows_are_checked_without_labels(noise: Matrix) -> None:
    found = check(noise, None)

    assert (found.single_auc, found.share_by_tenth, found.n_contradictions) == ({}, (), 0)


@pytest.mark.parametrize("n_rows", [1, 2])
def test_tiny_tables_are_checked(n_rows: int) -> None:
    found = check(np.full((n_rows, 30), np.nan, dtype=np.float32), np.zeros(n_rows, dtype=bool))

    assert len(found.constant) == 30


def test_checks_are_ready_for_json(noise: Matrix, labels: NDArray[np.bool_]) -> None:
    noise[:, 3] = np.nan
    noise[11], labels[11] = noise[10], labels[10]

    assert json.loads(json.dumps(check(noise, labels).to_dict(), allow_nan=False))["n_copies"] == 1
