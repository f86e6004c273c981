"""What a gate is given of a frozen set, and what a retraining freezes for it."""

import numpy as np
import pyarrow as pa
import pytest

from predictions.engine import gate_rows
from predictions.engine.features import FEATURE_NAMES
from predictions.engine.generator import generate
from predictions.engine.rows import row_keys
from predictions.engine.shot_table import ShotTable


def test_copies_are_given_once_with_their_parts_in_order() -> None:
    table = generate(400, 3, copied_share=0.3).table()

    rows = gate_rows.frozen_rows(table)

    molds = table.metadata("Mold")
    assert molds is not None
    assert len(rows.labels) < 300
    assert len(np.unique(rows.keys)) == len(rows.keys) == len(rows.matrix)
    assert set(rows.slices) == {"Product_Type", "Mold", "Shift"}
    assert list(rows.slices["Mold"][:5]) == molds[:5]
    assert set(rows.slices["Product_Type"]) <= {"1", "2"}


def test_without_labels_there_is_nothing_to_compare_on() -> None:
    plain = generate(50, 1).table()
    bare = ShotTable(plain.data.select(list(FEATURE_NAMES)), plain.source)

    with pytest.raises(ValueError, match="no complete label"):
        gate_rows.frozen_rows(bare)


def test_a_part_without_a_name_is_none() -> None:
    table = generate(30, 1).table()
    unnamed = pa.nulls(30, pa.string())
    data = table.data.set_column(table.names.index("Mold"), "Mold", unnamed)

    rows = gate_rows.frozen_rows(ShotTable(data, table.source))

    assert set(rows.slices["Mold"]) == {""}


@pytest.mark.parametrize(("n", "size"), [(0, 0), (4, 0), (100, 20), (40_000, 8_000)])
def test_the_window_is_the_latest_part(n: int, size: int) -> None:
    before, window = gate_rows.window(n)

    assert len(window) == size
    assert np.concatenate([before, window]).tolist() == list(range(n))


def test_the_window_of_many_shots_has_a_bound() -> None:
    assert len(gate_rows.window(500_000)[1]) == gate_rows.MAX_WINDOW_ROWS


def test_what_a_version_learnt_is_known_by_the_shots_themselves() -> None:
    table = generate(300, 5).table()
    learnt, apart = table.take(np.arange(200)), table.take(np.arange(150, 300))

    kept = gate_rows.read_keys(gate_rows.learnt_keys(learnt, apart))

    keys = row_keys(table.matrix())
    assert np.isin(keys[:150], kept).sum() >= 149  # a copy may lie on both sides
    assert not np.isin(keys[150:], kept).any()
    assert len(gate_rows.learnt_keys(learnt)) == 8 * len(np.unique(keys[:200]))
