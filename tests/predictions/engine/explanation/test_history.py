"""The shots that travel with a version."""

import numpy as np
import pytest
from numpy.typing import NDArray

from predictions.engine.explanation import history
from predictions.engine.explanation.settings import SETTINGS, adjustables
from predictions.engine.features import BY_NAME, FEATURE_NAMES
from predictions.engine.signature import plausible_signature
from predictions.engine.tables import ShotTable

Matrix = NDArray[np.float32]


def labels_of(shots: ShotTable) -> NDArray[np.bool_]:
    labels = shots.labels()
    assert labels is not None
    return labels


def test_the_latest_distinct_shots_are_kept_with_their_rows(
    shots: ShotTable, matrix: Matrix
) -> None:
    twice, labels = np.concatenate([matrix, matrix[-5:]]), labels_of(shots)

    kept = history.latest(twice, np.concatenate([labels, labels[-5:]]), max_shots=100)

    assert len(kept.rows) == 100
    assert kept.positions.max() < len(matrix)
    assert (np.diff(kept.positions) > 0).all()
    np.testing.assert_array_equal(kept.rows, twice[kept.positions])


def test_they_survive_their_file(shots: ShotTable, matrix: Matrix) -> None:
    kept = history.latest(matrix, labels_of(shots))

    again = history.from_bytes(kept.to_bytes())

    np.testing.assert_array_equal(again.rows, kept.rows)
    np.testing.assert_array_equal(again.labels, kept.labels)
    assert again.to_bytes() == kept.to_bytes()


@pytest.mark.parametrize("data", [b"", b"not a file", b"PK\x03\x04 cut short"])
def test_a_damaged_file_is_refused(data: bytes) -> None:
    with pytest.raises(history.UnreadableHistory, match="not a history"):
        history.from_bytes(data)


def test_settings_are_measured_numbers_that_somebody_sets() -> None:
    kinds = {BY_NAME[name].kind for name in SETTINGS}

    assert kinds == {"measurement"}
    assert not {"Cycle_Time", "Factory_Temp", "Air_Pressure"}.intersection(SETTINGS)


def test_a_setting_that_never_varied_is_not_moved() -> None:
    spread = np.ones(len(FEATURE_NAMES))
    spread[FEATURE_NAMES.index("Velocity_1")] = 0.0

    found = adjustables(plausible_signature(), spread)

    assert len(found) == len(SETTINGS) - 1
    assert all(one.low < one.high for one in found)
