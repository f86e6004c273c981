"""Reading users' files."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from predictions.engine.features import DEFECT_FLAGS, FEATURE_NAMES, METADATA
from predictions.engine.generator import GeneratedShots, generate
from predictions.engine.tables import (
    CellProblem,
    EmptyTable,
    HeaderProblem,
    ShotTable,
    TooLarge,
    UnreadableTable,
    iter_tables,
    read_table,
)

Rows = list[list[str]]


@pytest.fixture(scope="module")
def few() -> GeneratedShots:
    return generate(60, 5, missing_share=0.1)


@pytest.fixture
def rows(few: GeneratedShots) -> Rows:
    """Give the cells of a file, header rows included."""
    return [line.split(",") for line in few.to_csv().decode().splitlines()]


def _file(rows: Rows, delimiter: str = ",", encoding: str = "utf-8") -> io.BytesIO:
    return io.BytesIO("\n".join(delimiter.join(row) for row in rows).encode(encoding))


def _at(rows: Rows, name: str) -> int:
    return [cell.strip() for cell in rows[1]].index(name)


def _without_flags(rows: Rows) -> Rows:
    kept = [index for index, cell in enumerate(rows[1]) if cell not in DEFECT_FLAGS]
    return [[row[index] for index in kept] for row in rows]


def test_two_header_rows_and_stray_spaces_are_understood(few: GeneratedShots) -> None:
    assert b"Biscuit_Thickness ," in few.to_csv()

    table = few.table()

    assert table.source.header_rows == 2
    assert table.n_rows == 60
    metadata = ["id", "Made_At", "Mold", "Shift", "Source"]
    assert table.names == [*metadata, *FEATURE_NAMES, *DEFECT_FLAGS, "defect"]


def test_one_header_row_reads_the_same(rows: Rows, few: GeneratedShots) -> None:
    table = read_table(_file(rows[1:]))

    assert table.source.header_rows == 1
    assert table.data.equals(few.table().data)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp949", "utf-16"])
def test_encodings_of_the_region_read_the_same(
    rows: Rows, few: GeneratedShots, encoding: str
) -> None:
    rows[1][_at(rows, "Mold")] = "금형"

    assert read_table(_file(rows, encoding=encoding)).data.equals(few.table().data)


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_other_delimiters_read_the_same(rows: Rows, few: GeneratedShots, delimiter: str) -> None:
    assert read_table(_file(rows, delimiter)).data.equals(few.table().data)


def test_decimal_commas_are_read_where_semicolons_divide(rows: Rows, few: GeneratedShots) -> None:
    index = _at(rows, "Velocity_1")
    for row in rows[2:]:
        row[index] = row[index].replace(".", ",")

    assert read_table(_file(rows, ";")).data.equals(few.table().data)


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_blank_rows_are_passed_over(few: GeneratedShots, ending: str) -> None:
    lines = few.to_csv().decode().splitlines()
    blank = "," * (len(few.columns) - 1)
    text = ending.join([*lines[:5], "", *lines[5:], blank, "", ""])

    table = read_table(io.BytesIO(text.encode()))

    assert table.data.equals(few.table().data)
    assert table.source.n_blank_rows >= 3


def test_spelling_of_names_and_order_of_columns_do_not_matter(
    rows: Rows, few: GeneratedShots
) -> None:
    rows[1] = [name.strip().upper().replace("_", " ") for name in rows[1]]
    turned = [row[::-1] for row in rows[1:]]

    assert read_table(_file(turned)).data.equals(few.table().data)


def test_unknown_columns_are_ignored_and_said_so(rows: Rows) -> None:
    for number, row in enumerate(rows):
        row.append("Note" if number == 1 else "x")

    table = read_table(_file(rows))

    assert table.source.ignored_columns == ("Note",)


@pytest.mark.parametrize("word", ["", " ", "NA", "nan", "NULL", "-"])
def test_words_for_nothing_are_null(rows: Rows, word: str) -> None:
    rows[2][_at(rows, "Velocity_1")] = word

    assert read_table(_file(rows)).data["Velocity_1"][0].as_py() is None


@pytest.mark.parametrize(
    ("name", "cell", "code"),
    [
        ("Velocity_1", "fast", "cell_not_a_number"),
        ("Velocity_1", "0,144", "cell_not_a_number"),
        ("Velocity_1", "1e999", "cell_not_finite"),
        ("Velocity_1", "inf", "cell_not_finite"),
        ("Velocity_1", "21.4", "cell_out_of_range"),
        ("Melting_Furnace_Temp", "1250", "cell_out_of_range"),
        ("Blow_Hole_1", "0.5", "flag_not_a_count"),
        ("Blow_Hole_1", "-1", "flag_not_a_count"),
        ("Blow_Hole_1", "yes", "cell_not_a_number"),
    ],
)
def test_bad_cell_is_named_with_row_column_and_value(
    rows: Rows, name: str, cell: str, code: str
) -> None:
    rows[7][_at(rows, name)] = f'"{cell}"'

    with pytest.raises(CellProblem) as caught:
        read_table(_file(rows))

    problem = caught.value.problems[0]
    assert (problem.field, problem.code, problem.row) == (name, code, 8)
    assert caught.value.n_problems == 1


def test_value_seen_rule_and_way_out_are_in_the_message(rows: Rows) -> None:
    rows[7][_at(rows, "Factory_Humidity")] = "140"

    with pytest.raises(CellProblem) as caught:
        read_table(_file(rows))

    assert str(caught.value) == (
        "Factory_Humidity in row 8 is 140 %: it must lie between 0 and 100. "
        "Check unit and sensor, or leave the cell empty."
    )


def test_implausible_values_can_be_let_in(rows: Rows) -> None:
    rows[7][_at(rows, "Factory_Humidity")] = "140"

    assert read_table(_file(rows), check_ranges=False).n_rows == 60


def test_ragged_rows_are_named_and_later_rows_keep_their_line(rows: Rows) -> None:
    rows[4] = rows[4][:-1]
    rows[9] = [*rows[9], "1"]
    rows[11][_at(rows, "Velocity_1")] = "x"

    with pytest.raises(CellProblem) as caught:
        read_table(_file(rows))

    assert {(item.code, item.row) for item in caught.value.problems} == {
        ("ragged_row", 5),
        ("ragged_row", 10),
        ("cell_not_a_number", 12),
    }


def test_missing_columns_are_all_named_with_the_likely_one(rows: Rows) -> None:
    rows[1][_at(rows, "Velocity_1")] = "Velocty_1"
    rows[1][_at(rows, "Spray_Time")] = "xyz"

    with pytest.raises(HeaderProblem) as caught:
        read_table(_file(rows))

    assert [(item.field, item.code) for item in caught.value.problems] == [
        ("Velocity_1", "column_missing_near"),
        ("Spray_Time", "column_missing"),
    ]


def test_repeated_column_is_refused(rows: Rows) -> None:
    rows[1][_at(rows, "Velocity_2")] = "velocity 1"

    with pytest.raises(HeaderProblem) as caught:
        read_table(_file(rows))

    assert ("Velocity_1", "column_repeated") in {
        (item.field, item.code) for item in caught.value.problems
    }


def test_problems_are_capped_but_counted(rows: Rows) -> None:
    for row in rows[2:]:
        row[_at(rows, "Velocity_1")] = "x"
        row[_at(rows, "Velocity_2")] = "y"

    with pytest.raises(CellProblem) as caught:
        read_table(_file(rows))

    assert len(caught.value.problems) == 50
    assert caught.value.n_problems == 120


@pytest.mark.parametrize("content", [b"", b"\n", b"\n\n\n"])
def test_empty_file_is_refused(content: bytes) -> None:
    with pytest.raises(EmptyTable):
        read_table(io.BytesIO(content))


@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
def test_header_without_shots_is_refused(rows: Rows, end: str) -> None:
    text = _file(rows[:2]).getvalue() + end.encode()

    with pytest.raises(EmptyTable) as caught:
        read_table(io.BytesIO(text))

    assert caught.value.problems[0].code == "no_rows"


@pytest.mark.parametrize(
    "content",
    [b"PK\x03\x04 workbook", b"\x1f\x8b gzip", b"PAR1 torn", b"\xff\xff\xff", b"PAR1"],
)
def test_foreign_or_damaged_file_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableTable):
        read_table(io.BytesIO(content))


def test_what_is_no_text_is_not_called_text_in_a_wrong_encoding() -> None:
    with pytest.raises(UnreadableTable) as caught:
        read_table(io.BytesIO(b"\x00\x15\xff\xfe junk"))
    assert caught.value.problems[0].code == "wrong_format"
    assert "Parquet" in caught.value.problems[0].message


def test_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableTable):
        read_table(tmp_path / "nothing.csv")


def test_too_many_rows_are_refused(few: GeneratedShots) -> None:
    with pytest.raises(TooLarge):
        read_table(io.BytesIO(few.to_csv()), max_rows=59)


def test_file_object_stays_open_for_its_owner(few: GeneratedShots) -> None:
    stream = io.BytesIO(few.to_csv())

    read_table(stream)
    again = read_table(stream)

    assert again.n_rows == 60


def test_any_raised_flag_is_a_defect(rows: Rows) -> None:
    for row in rows[2:]:
        for name in DEFECT_FLAGS:
            row[_at(rows, name)] = "0"
    rows[2][_at(rows, "Dent_2")] = "2"
    rows[3][_at(rows, "Stain_1")] = "1"

    labels = read_table(_file(rows)).labels()

    assert labels is not None
    assert np.flatnonzero(labels).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("good", "bad"),
    [("0", "1"), ("ok", "defect"), ("OK", "NG"), ("False", "True"), ("양품", "불량")],
)
def test_label_column_stands_in_for_flags(rows: Rows, good: str, bad: str) -> None:
    rows = _without_flags(rows)
    for number, row in enumerate(rows):
        row.append("Label" if number == 1 else (bad if number == 4 else good))

    labels = read_table(_file(rows), require_label=True).labels()

    assert labels is not None
    assert np.flatnonzero(labels).tolist() == [2]


def test_unlabelled_file_is_read_for_prediction_but_not_for_training(rows: Rows) -> None:
    rows = _without_flags(rows)

    assert read_table(_file(rows)).labels() is None
    with pytest.raises(HeaderProblem) as caught:
        read_table(_file(rows), require_label=True)
    assert caught.value.problems[0].code == "label_column_missing"


def test_missing_unknown_and_contradicting_labels_are_named(rows: Rows) -> None:
    rows = _without_flags(rows)
    for number, row in enumerate(rows):
        row += ["Dent_1", "defect"] if number == 1 else ["0", "0"]
    rows[2][-2:] = ["", ""]
    rows[3][-1] = "maybe"
    rows[4][-1] = "1"

    with pytest.raises(CellProblem) as caught:
        read_table(_file(rows), require_label=True)

    assert {(item.code, item.row) for item in caught.value.problems} == {
        ("label_missing", 3),
        ("label_not_known", 4),
        ("label_contradicts", 5),
    }


def test_parts_of_a_large_file_add_up(few: GeneratedShots) -> None:
    parts = list(iter_tables(io.BytesIO(few.to_csv()), batch_rows=17))

    assert [part.n_rows for part in parts] == [17, 17, 17, 9]
    joined = pa.concat_tables([part.data for part in parts]).combine_chunks()
    assert joined.equals(few.table().data)


def test_parts_stop_at_the_first_bad_one(rows: Rows) -> None:
    rows[40][_at(rows, "Velocity_1")] = "x"
    seen: list[ShotTable] = []

    with pytest.raises(CellProblem) as caught:
        seen.extend(iter_tables(_file(rows), batch_rows=10))

    assert [part.n_rows for part in seen] == [10, 10, 10]
    assert caught.value.problems[0].row == 41


def test_part_of_a_table_keeps_order_and_columns(few: GeneratedShots) -> None:
    table = few.table()

    part = table.take(np.array([3, 1]))

    assert part.data["id"].to_pylist() == ["4", "2"]
    assert part.names == table.names


def test_schema_describes_every_column(few: GeneratedShots) -> None:
    schema = few.table().schema()

    roles = [column["role"] for column in schema]
    assert (roles.count("feature"), roles.count("flag"), roles.count("label")) == (30, 26, 1)
    assert {column["name"] for column in schema if column["role"] == "metadata"} <= set(METADATA)
    assert next(c for c in schema if c["name"] == "Cycle_Time")["unit"] == "s"
