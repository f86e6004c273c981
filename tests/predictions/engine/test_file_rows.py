"""A file read row by row: every row once and in order, whatever is wrong with others."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.csv as pv
import pyarrow.parquet as pq
import pytest

from predictions.engine.features import FEATURE_NAMES
from predictions.engine.file_rows import FileRows, RowReader, check_header, n_rows_said
from predictions.engine.generator import generate
from predictions.engine.readers import EmptyTable, HeaderProblem, TooLarge, UnreadableTable
from predictions.engine.signature import learned_signature, plausible_signature

TABLE = generate(60, 3, missing_share=0.0).table()
LABELLED_AND_PLAIN = [name for name in TABLE.data.column_names if name in {*FEATURE_NAMES, "id"}]


def csv_lines() -> list[str]:
    sink = io.BytesIO()
    pv.write_csv(TABLE.data.select(LABELLED_AND_PLAIN), sink)
    return sink.getvalue().decode().splitlines()


def read(content: bytes | list[str], **options: int) -> tuple[list[FileRows], RowReader]:
    if isinstance(content, list):
        content = "\n".join(content).encode()
    reader = RowReader(io.BytesIO(content), **{"part_rows": 7, **options})
    return list(reader), reader


def rows_of(parts: list[FileRows]) -> list[int]:
    return [row for part in parts for row in part.rows.tolist()]


def problems_of(parts: list[FileRows]) -> dict[int, list[str]]:
    return {
        int(part.rows[position]): [problem.code for problem in listed]
        for part in parts
        for position, listed in part.unread.items()
    }


def test_parts_hold_as_many_rows_as_asked_and_the_numbers_of_the_file() -> None:
    parts, reader = read(csv_lines())

    assert [part.n_rows for part in parts] == [7] * 8 + [4]
    assert rows_of(parts) == list(range(2, 62))
    assert reader.texts == tuple(name for name in ("id",) if name in LABELLED_AND_PLAIN)
    matrix = np.concatenate([part.matrix for part in parts])
    np.testing.assert_allclose(matrix, TABLE.matrix(), rtol=1e-6)


def test_a_bad_cell_spoils_its_row_and_no_other() -> None:
    lines = csv_lines()
    cells = lines[5].split(",")
    cells[3], cells[4], cells[5] = "fast", "inf", "n/a"
    lines[5] = ",".join(cells)

    parts, _reader = read(lines)

    assert rows_of(parts) == list(range(2, 62))
    assert problems_of(parts) == {6: ["cell_not_a_number", "cell_not_finite"]}
    message = next(
        problem.message for part in parts for one in part.unread.values() for problem in one
    )
    assert "'fast'" in message
    assert "row 6" in message


def test_rows_of_the_wrong_length_stand_in_their_places() -> None:
    lines = csv_lines()
    lines[1] = "1,2"
    lines[30] += ",9,9"
    lines.append("5")

    parts, _reader = read(lines)

    assert rows_of(parts) == list(range(2, 63))
    assert problems_of(parts) == {2: ["ragged_row"], 31: ["ragged_row"], 62: ["ragged_row"]}


def test_lines_without_content_are_no_rows_and_are_counted() -> None:
    lines = csv_lines()
    lines.insert(10, "")
    lines.insert(20, "," * (len(LABELLED_AND_PLAIN) - 1))

    parts, reader = read([*lines, "", ""])

    assert len(rows_of(parts)) == 60
    assert rows_of(parts)[-1] == 63
    assert reader.source is not None
    assert reader.source.n_blank_rows == 3


@pytest.mark.parametrize("skip", [0, 1, 6, 7, 8, 59, 60, 61])
def test_reading_goes_on_behind_the_rows_read_before(skip: int) -> None:
    lines = csv_lines()
    lines[3] = "x"
    whole, _reader = read(lines)

    rest, _reader = read(lines, skip_rows=skip, part_rows=13)

    assert rows_of(rest) == rows_of(whole)[skip:]


def test_parquet_is_read_alike() -> None:
    sink = io.BytesIO()
    pq.write_table(TABLE.data, sink, row_group_size=9)

    parts, _reader = read(sink.getvalue())

    assert rows_of(parts) == list(range(1, 61))
    np.testing.assert_allclose(np.concatenate([p.matrix for p in parts]), TABLE.matrix(), rtol=1e-6)


def test_what_a_version_refuses_is_told_beside_what_cannot_be_read() -> None:
    signature = learned_signature(TABLE.matrix())
    lines = csv_lines()
    place = LABELLED_AND_PLAIN.index("Velocity_1")
    for line, value in ((2, "99"), (3, "x"), (4, "")):
        cells = lines[line].split(",")
        cells[place] = value
        lines[line] = ",".join(cells)

    parts, _reader = read(lines, part_rows=100)

    told = parts[0].problems(signature)
    assert {position: [one.code for one in listed] for position, listed in told.items()} == {
        1: ["out_of_range"],
        2: ["cell_not_a_number"],
        3: ["null"],
    }
    assert set(parts[0].problems(plausible_signature())) == {1, 2}


def test_a_file_that_is_no_table_of_shots_is_refused_by_its_head() -> None:
    without = TABLE.data.drop_columns([FEATURE_NAMES[0]])
    sink = io.BytesIO()
    pq.write_table(without, sink)
    whole = io.BytesIO()
    pq.write_table(TABLE.data, whole)
    odd = pa.table({name: [[1.0]] for name in FEATURE_NAMES})
    nested = io.BytesIO()
    pq.write_table(odd, nested)

    for content, error in (
        (b"", EmptyTable),
        (b"%PDF-1.7 nothing", UnreadableTable),
        (b"\x00\x01\x02\xff\xfe binary", UnreadableTable),
        (b"a,b\n1,2\n", HeaderProblem),
        ((",".join(FEATURE_NAMES) + "\n").encode(), EmptyTable),
        (sink.getvalue(), HeaderProblem),
        (nested.getvalue(), UnreadableTable),
        (b"PAR1 broken", UnreadableTable),
    ):
        with pytest.raises(error):
            check_header(io.BytesIO(content))
    with pytest.raises(TooLarge):
        check_header(whole, max_rows=59)


def test_looking_at_a_file_leaves_it_at_its_start() -> None:
    text = io.BytesIO("\n".join(csv_lines()).encode())
    columns = io.BytesIO()
    pq.write_table(TABLE.data, columns)

    for stream, n_rows in ((text, None), (columns, 60)):
        check_header(stream)
        assert stream.tell() == 0
        assert n_rows_said(stream) == n_rows
        assert stream.tell() == 0
