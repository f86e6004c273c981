"""Content fingerprints."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from predictions.engine.fingerprint import fingerprint
from predictions.engine.generator import generate
from predictions.engine.tables import ShotTable, read_table, write_parquet


@pytest.fixture(scope="module")
def table() -> ShotTable:
    return generate(80, 2).table()


def _replaced(table: ShotTable, name: str, row: int, value: object) -> ShotTable:
    column = table.data[name].to_pylist()
    column[row] = value
    place = table.names.index(name)
    kind = table.data.schema.field(name).type
    return ShotTable(table.data.set_column(place, name, pa.array(column, kind)), table.source)


def test_format_does_not_matter(table: ShotTable, tmp_path: Path) -> None:
    write_parquet(table, tmp_path / "shots.parquet")

    assert fingerprint(read_table(tmp_path / "shots.parquet")) == fingerprint(table)


def test_chunks_do_not_matter(table: ShotTable) -> None:
    parts = [table.data.slice(start, 7) for start in range(0, 80, 7)]

    assert fingerprint(ShotTable(pa.concat_tables(parts), table.source)) == fingerprint(table)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Velocity_1", 0.2011),
        ("Factory_Temp", None),
        ("Dent_1", 7),
        ("Mold", "other"),
        ("Mold", None),
        ("defect", None),
    ],
)
def test_any_changed_value_changes_it(table: ShotTable, name: str, value: object) -> None:
    assert fingerprint(_replaced(table, name, 9, value)) != fingerprint(table)


def test_null_differs_from_zero_and_empty_text(table: ShotTable) -> None:
    prints = {
        fingerprint(_replaced(table, name, 0, value))
        for name, value in [("Rapid_Rise_Time", 0.0), ("Rapid_Rise_Time", None)]
    }

    assert len(prints) == 2


def test_order_of_rows_matters(table: ShotTable) -> None:
    swapped = table.take(np.r_[1, 0, np.arange(2, 80)])

    assert fingerprint(swapped) != fingerprint(table)


def test_missing_column_matters(table: ShotTable) -> None:
    assert fingerprint(ShotTable(table.data.drop(["Mold"]), table.source)) != fingerprint(table)


def test_negative_zero_is_zero(table: ShotTable) -> None:
    minus, plus = (_replaced(table, "Rapid_Rise_Time", 0, value) for value in (-0.0, 0.0))

    assert fingerprint(minus) == fingerprint(plus)


def test_it_is_sixty_four_hexadecimal_digits(table: ShotTable) -> None:
    assert len(bytes.fromhex(fingerprint(table))) == 32
