"""Quality profiles."""

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from predictions.engine.features import FEATURE_NAMES
from predictions.engine.profile import n_outliers, profile
from predictions.engine.tables import ShotTable, SourceInfo


def _table(**columns: Any) -> ShotTable:
    content = {name: pa.array([1.0] * 4) for name in FEATURE_NAMES}
    return ShotTable(pa.table({**content, **columns}), SourceInfo("memory"))


def _column(table: ShotTable, name: str) -> dict[str, Any]:
    columns: list[dict[str, Any]] = profile(table).to_dict()["columns"]
    return next(column for column in columns if column["name"] == name)


def test_number_column_by_hand() -> None:
    column = _column(_table(Velocity_1=pa.array([1.0, 2.0, None, 6.0])), "Velocity_1")

    assert column["unit"] == "m/s"
    assert (column["n_missing"], column["missing_share"]) == (1, 0.25)
    assert (column["n_distinct"], column["is_constant"]) == (3, False)
    assert (column["min"], column["max"], column["mean"]) == (1, 6, 3)
    assert column["std"] == pytest.approx(np.std([1, 2, 6], ddof=1))
    assert column["quantiles"]["0.5"] == 2


def test_constant_and_empty_columns_have_no_nan() -> None:
    table = _table(Velocity_2=pa.array([None] * 4, pa.float64()))

    text = json.dumps(profile(table).to_dict(), allow_nan=False)

    assert json.loads(text)["is_labelled"] is False
    assert _column(table, "Velocity_2")["is_constant"]
    assert _column(table, "Velocity_2")["mean"] is None


def test_metadata_and_target_are_described() -> None:
    table = _table(
        Mold=pa.array(["A", "B", None, "A"]), defect=pa.array([True, False, False, True])
    )

    found = profile(table)

    assert (found.n_defects, found.defect_share) == (2, 0.5)
    assert _column(table, "Mold")["n_distinct"] == 2
    assert _column(table, "Mold")["missing_share"] == 0.25


def test_outliers_lie_beyond_three_and_a_half_robust_deviations() -> None:
    values = np.array([*range(1, 10), 100.0])  # median 5.5, MAD 2.5: limit 12.97

    assert n_outliers(values) == 1
    assert n_outliers(np.array([*range(1, 10), 18.4])) == 0
    assert n_outliers(np.array([*range(1, 10), 18.6])) == 1


def test_outliers_of_a_nearly_constant_column_use_the_mean_deviation() -> None:
    assert n_outliers(np.array([3.0] * 99 + [4.0])) == 1
    assert n_outliers(np.full(5, 3.0)) == 0
    assert n_outliers(np.empty(0)) == 0


def test_generated_shots_have_a_profile(shots: ShotTable) -> None:
    found = profile(shots)

    assert found.n_columns == len(shots.names)
    assert len(found.columns) == found.n_columns - 1  # the label is told apart
    assert found.checks.n_copies == 50
