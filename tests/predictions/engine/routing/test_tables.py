"""Reading item masters and routing tables, and checking them against each other."""

import io
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from predictions.engine.routing.generator import Generated
from predictions.engine.routing.problems import (
    CellProblem,
    EmptyTable,
    HeaderProblem,
    InconsistentTables,
    TableError,
    TooLarge,
    UnreadableTable,
)
from predictions.engine.routing.routings import to_days
from predictions.engine.routing.schema import ROUTING_COLUMNS
from predictions.engine.routing.tables import (
    ItemTable,
    RoutingTable,
    cross_check,
    read_items,
    read_routings,
)

STEPS = "item_code,alternate,sequence,operation,work_center,setup_minutes,run_minutes,valid_from"


def _items(text: str, encoding: str = "utf-8") -> ItemTable:
    return read_items(io.BytesIO(text.encode(encoding)))


def _steps(*rows: str) -> RoutingTable:
    return read_routings(io.BytesIO("\n".join([STEPS, *rows]).encode()))


def _found(error: TableError) -> list[tuple[str, str, int | None]]:
    return [(problem.field, problem.code, problem.row) for problem in error.problems]


def test_a_generated_set_survives_csv_unchanged(generated: Generated, tmp_path: Path) -> None:
    items_path, steps_path = generated.write(tmp_path)

    assert "synthetic" in items_path.name
    assert read_items(items_path).data.equals(generated.items.data)
    assert read_routings(steps_path).data.equals(generated.routings.data)


def test_a_table_survives_parquet_unchanged(generated: Generated, tmp_path: Path) -> None:
    path = str(tmp_path / "items.parquet")
    pq.write_table(generated.items.data, path)

    assert read_items(path).data.equals(generated.items.data)


def test_korean_headings_in_cp949_with_semicolons_are_read() -> None:
    table = _items("품목코드;품목명;외경;등록일\nA1;구동축;1,025.5;2024.03.01\n", "cp949")

    assert table.source.encoding == "cp949"
    assert table.source.delimiter == ";"
    columns = table.columns()
    assert columns["item_name"].tolist() == ["구동축"]
    assert columns["outer_diameter_mm"].tolist() == [1025.5]
    assert columns["created_on"].tolist() == [19783.0]


def test_absent_columns_are_missing_and_foreign_ones_are_named() -> None:
    table = _items("item_code,item_name,colour\nA1,Shaft,red\n")

    assert "material" in table.source.absent_columns
    assert table.source.ignored_columns == ("colour",)
    assert table.columns()["material"].tolist() == [None]
    assert np.isnan(table.columns()["weight_kg"]).all()


def test_cells_that_say_empty_are_missing() -> None:
    table = _items("item_code,item_name,material,weight_kg\nA1,Pin,-,N/A\nA2,Pin, ,null\n")

    assert table.columns()["material"].tolist() == [None, None]
    assert np.isnan(table.columns()["weight_kg"]).all()


def test_every_bad_cell_is_named_by_row_column_and_value() -> None:
    with pytest.raises(CellProblem) as caught:
        _items(
            "item_code,item_name,outer_diameter_mm,hole_count,created_on\n"
            "A1,Shaft,25mm,1,2024-01-31\n"
            "A2,,20000,1.5,2024-02-31\n"
        )

    assert sorted(_found(caught.value)) == [
        ("created_on", "cell_not_a_date", 3),
        ("hole_count", "cell_not_whole", 3),
        ("item_name", "cell_missing", 3),
        ("outer_diameter_mm", "cell_not_a_number", 2),
        ("outer_diameter_mm", "cell_out_of_range", 3),
    ]
    assert "25mm" in caught.value.problems[1].message


def test_a_thousand_bad_cells_make_a_short_answer_that_counts_them() -> None:
    rows = "".join(f"A{i},Pin,x\n" for i in range(1_000))

    with pytest.raises(CellProblem) as caught:
        _items("item_code,item_name,weight_kg\n" + rows)

    assert caught.value.n_problems == 1_000
    assert len(caught.value.problems) == 50


def test_a_missing_column_is_named_with_what_might_be_meant() -> None:
    with pytest.raises(HeaderProblem) as caught:
        _items("item_cod,item_name\nA1,Pin\n")

    assert _found(caught.value) == [("item_code", "column_missing_near", None)]
    assert "item_cod" in caught.value.problems[0].message


def test_a_column_under_two_headings_is_refused() -> None:
    with pytest.raises(HeaderProblem) as caught:
        _items("item_code,품목코드,item_name\nA1,A1,Pin\n")

    assert _found(caught.value) == [("item_code", "column_repeated", None)]


def test_an_item_code_may_occur_once() -> None:
    with pytest.raises(CellProblem) as caught:
        _items("item_code,item_name\nA1,Pin\nA1,Pin\n")

    assert _found(caught.value) == [("item_code", "code_repeated", 3)]


def test_ragged_rows_are_named() -> None:
    with pytest.raises(CellProblem) as caught:
        _items("item_code,item_name\nA1,Pin\nA2\n")

    assert [problem.code for problem in caught.value.problems] == ["ragged_row"]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", EmptyTable),
        (b"item_code,item_name\n", EmptyTable),
        (b"PK\x03\x04rest of a workbook", UnreadableTable),
        (b"PAR1 and nothing else", UnreadableTable),
        (b"item_code,item_name\n\xff\xfe\xfa,x\n", UnreadableTable),
    ],
)
def test_what_is_no_table_is_refused(content: bytes, error: type[TableError]) -> None:
    with pytest.raises(error) as caught:
        read_items(io.BytesIO(content))

    assert caught.value.problems[0].message


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"\x00\x15\x04\xff\x00 junk", "wrong_format"),
        (b"XAR1\x15\x04\xff\x00PAR1", "damaged_parquet"),
        (b"PAR1\x15\x04\xff\x00", "damaged_parquet"),
    ],
)
def test_what_is_no_text_is_not_called_text_in_a_wrong_encoding(content: bytes, code: str) -> None:
    with pytest.raises(UnreadableTable) as caught:
        read_items(io.BytesIO(content))
    assert [one.code for one in caught.value.problems] == [code]


def test_more_rows_than_asked_for_are_refused() -> None:
    with pytest.raises(TooLarge):
        read_items(io.BytesIO(b"item_code,item_name\nA,x\nB,x\n"), max_rows=1)


def test_negative_times_and_broken_sequences_are_refused() -> None:
    with pytest.raises(CellProblem) as caught:
        _steps("A1,1,0,TURN,L1,-5,1,2024-01-01", "A1,1,20,TURN,L1,5,,2024-01-01")

    assert sorted(_found(caught.value)) == [
        ("run_minutes", "cell_missing", 3),
        ("sequence", "cell_out_of_range", 2),
        ("setup_minutes", "cell_out_of_range", 2),
    ]


def test_a_parquet_of_typed_columns_is_read() -> None:
    names = [column.name for column in ROUTING_COLUMNS]
    values = [["A1"], [1], [10], ["TURN"], ["L1"], [5], [0.5], [pa.scalar(19_783, pa.date32())]]
    buffer = io.BytesIO()
    pq.write_table(pa.table(dict(zip(names, values, strict=True))), buffer)
    buffer.seek(0)

    table = read_routings(buffer)

    assert table.column("sequence").tolist() == [10.0]
    assert table.column("valid_from").tolist() == [19_783.0]


def test_the_latest_version_of_the_lowest_alternate_counts() -> None:
    table = _steps(
        "A1,2,10,SAW,S1,1,1,2025-01-01",
        "A1,1,20,TURN,L1,2,1,2023-01-01",
        "A1,1,10,SAW,S1,1,1,2023-01-01",
        "A1,1,10,SAW,S1,1,1,2024-01-01",
        "A1,1,20,TURN,L9,2,1,2024-01-01",
    )

    routing = table.primary()["A1"]

    assert routing.operations == ("SAW", "TURN")
    assert routing.work_centers == ("S1", "L9")
    assert routing.valid_from == to_days(date(2024, 1, 1))
    assert routing.total_minutes == 5.0


def test_a_routing_of_an_unknown_item_is_refused() -> None:
    items = _items("item_code,item_name\nA1,Pin\n")
    steps = _steps("A1,1,10,SAW,S1,1,1,2024-01-01", "B7,1,10,SAW,S1,1,1,2024-01-01")

    with pytest.raises(InconsistentTables) as caught:
        cross_check(items, steps)

    assert _found(caught.value) == [("item_code", "item_unknown", 3)]
    assert "B7" in caught.value.problems[0].message


def test_a_sequence_given_twice_is_refused_but_not_across_versions() -> None:
    items = _items("item_code,item_name\nA1,Pin\n")
    good = ["A1,1,10,SAW,S1,1,1,2024-01-01", "A1,1,10,SAW,S1,1,1,2025-01-01"]
    assert cross_check(items, _steps(*good)) == ()

    with pytest.raises(InconsistentTables) as caught:
        cross_check(items, _steps(*good, "A1,1,10,TURN,L1,1,1,2025-01-01"))

    assert _found(caught.value) == [("sequence", "sequence_repeated", 4)]


def test_steps_out_of_order_and_items_without_routing_are_pointed_out() -> None:
    items = _items("item_code,item_name\nA1,Pin\nA2,Pin\n")
    steps = _steps("A1,1,20,TURN,L1,1,1,2024-01-01", "A1,1,10,SAW,S1,1,1,2024-01-01")

    found = cross_check(items, steps)

    assert [(problem.code, problem.row) for problem in found] == [
        ("sequence_not_ascending", 3),
        ("item_without_routing", None),
    ]
    assert "A2" in found[1].message


def test_a_generated_set_is_consistent(generated: Generated) -> None:
    assert cross_check(generated.items, generated.routings) == ()
