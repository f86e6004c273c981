"""Reading users' Parquet files."""

import io
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from predictions.engine.features import BY_NAME
from predictions.engine.generator import GeneratedShots, generate
from predictions.engine.tables import CellProblem, UnreadableTable, read_table, write_parquet


@pytest.fixture(scope="module")
def few() -> GeneratedShots:
    return generate(60, 5, missing_share=0.1)


@pytest.mark.parametrize("damage", ["cut short", "head lost", "middle lost", "nothing left"])
def test_a_damaged_parquet_file_is_called_one(
    damage: str, few: GeneratedShots, tmp_path: Path
) -> None:
    path = tmp_path / "shots.parquet"
    write_parquet(read_table(io.BytesIO(few.to_csv())), path)
    whole = path.read_bytes()
    broken = {
        "cut short": whole[: len(whole) // 2],
        "head lost": b"\xff\x00\xff\x00" + whole[4:],
        "middle lost": whole[:4] + bytes(len(whole) - 8) + whole[-4:],
        "nothing left": b"PAR1",
    }[damage]
    with pytest.raises(UnreadableTable) as caught:
        read_table(io.BytesIO(broken))
    assert [one.code for one in caught.value.problems] == ["damaged_parquet"]
    assert "damaged" in caught.value.problems[0].message


def test_parquet_round_trip_keeps_everything(few: GeneratedShots, tmp_path: Path) -> None:
    table = few.table()
    write_parquet(table, tmp_path / "shots.parquet")

    again = read_table(tmp_path / "shots.parquet", require_label=True)

    assert again.source.format == "parquet"
    assert again.data.equals(table.data)


def _parquet(columns: dict[str, pa.Array]) -> io.BytesIO:
    stream = io.BytesIO()
    pq.write_table(pa.table(columns), stream)
    return stream


def _convert(few: GeneratedShots, how: Callable[[pa.Array], pa.Array]) -> io.BytesIO:
    data = few.table().data
    return _parquet(
        {
            name: how(data[name].combine_chunks()) if name in BY_NAME else data[name]
            for name in data.column_names
        }
    )


def test_parquet_in_single_precision_keeps_short_decimals(few: GeneratedShots) -> None:
    stream = _convert(few, lambda column: column.cast(pa.float32()))

    assert read_table(stream).data.equals(few.table().data)


def test_parquet_with_text_cells_is_read_as_text(few: GeneratedShots) -> None:
    stream = _convert(few, lambda column: column.cast(pa.string()).dictionary_encode())

    assert read_table(stream).data.equals(few.table().data)


def test_parquet_with_values_out_of_range_is_refused(few: GeneratedShots) -> None:
    data = few.table().data.to_pydict() | {"Velocity_1": [99.0] * 60}

    with pytest.raises(CellProblem) as caught:
        read_table(_parquet(data))

    assert caught.value.problems[0].row == 1
