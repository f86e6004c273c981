"""One file for items and routings, and what its fingerprint means."""

import dataclasses
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from predictions.engine.routing import canonical
from predictions.engine.routing.generator import Generated
from predictions.engine.routing.problems import CellProblem, TooLarge, UnreadableTable
from predictions.engine.routing.reading import LONGEST_CELL
from predictions.engine.routing.routings import Routing
from predictions.engine.routing.tables import (
    ItemTable,
    RoutingTable,
    read_items,
    read_routings,
)

ITEMS = "item_code,item_name\nB,Shaft\nA,Pin\nC,Cover\n"
STEPS = (
    "item_code,alternate,sequence,operation,work_center,setup_minutes,run_minutes,valid_from\n"
    "B,1,20,GRIND,G1,5,1,2024-01-01\n"
    "B,1,10,TURN,T1,10,2,2024-01-01\n"
    "A,1,10,SAW,S1,3,0.5,2024-01-01\n"
)


def pair(items: str = ITEMS, steps: str = STEPS) -> tuple[ItemTable, RoutingTable]:
    return read_items(io.BytesIO(items.encode())), read_routings(io.BytesIO(steps.encode()))


def plain(routing: Routing) -> tuple[object, ...]:
    return routing.operations, routing.work_centers, routing.run_minutes.tolist(), routing.sequences


def test_both_tables_come_back_from_one_file(generated: Generated, tmp_path: Path) -> None:
    path = tmp_path / "both.parquet"
    canonical.write(generated.items, generated.routings, path)

    items, routings = canonical.read(path)

    assert items.data.equals(generated.items.data.sort_by("item_code"))
    assert items.is_synthetic
    was, now = generated.routings.primary(), routings.primary()
    assert {code: plain(one) for code, one in now.items()} == {
        code: plain(one) for code, one in was.items()
    }
    assert routings.n_rows == generated.routings.n_rows


def test_an_item_without_a_routing_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "both.parquet"
    canonical.write(*pair(), path)

    items, routings = canonical.read(path)

    assert items.codes() == ["A", "B", "C"]
    assert set(routings.primary()) == {"A", "B"}
    assert not items.is_synthetic


def test_the_fingerprint_means_the_values_alone(generated: Generated) -> None:
    items, routings = generated.items, generated.routings
    first = canonical.fingerprint(items, routings)
    order = np.random.default_rng(1).permutation(items.n_rows)
    unmarked = dataclasses.replace(items, source=dataclasses.replace(items.source, origin=""))
    backwards = RoutingTable(
        routings.data.take(pa.array(np.arange(routings.n_rows)[::-1])), routings.source
    )

    assert canonical.fingerprint(items.take(order), backwards) == first
    assert canonical.fingerprint(unmarked, routings) == first


@pytest.mark.parametrize(
    ("items", "steps"),
    [
        (ITEMS.replace("Pin", "Pim"), STEPS),
        (ITEMS, STEPS.replace("0.5", "0.6")),
        (ITEMS, STEPS.replace("SAW", "CUT")),
        (ITEMS, STEPS.replace("A,1,10,SAW", "C,1,10,SAW")),
        (ITEMS, STEPS.replace("3,0.5,2024-01-01", "3,0.5,2024-01-02")),
    ],
)
def test_the_fingerprint_changes_with_any_value(items: str, steps: str) -> None:
    assert canonical.fingerprint(*pair(items, steps)) != canonical.fingerprint(*pair())


def test_the_generated_mark_is_read_from_the_file() -> None:
    marked = ITEMS.replace("item_name\n", "item_name,data_source\n").replace(
        "Shaft\n", "Shaft,synthetic v1 seed 3\n"
    )
    marked = marked.replace("Pin\n", "Pin,ERP\n").replace("Cover\n", "Cover,\n")

    table = read_items(io.BytesIO(marked.encode()))

    assert table.is_synthetic
    assert table.source.origin == "synthetic v1 seed 3"
    assert "data_source" not in table.source.ignored_columns


# --- Files that stand for more than they hold -----------------------------------------------------
def parquet(columns: dict[str, object]) -> io.BytesIO:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    buffer.seek(0)
    return buffer


def test_a_text_repeated_by_reference_is_not_written_out() -> None:
    word = pa.DictionaryArray.from_arrays(pa.array([0] * 1_000, pa.int32()), ["x" * 100_000])
    codes = [str(number) for number in range(1_000)]

    with pytest.raises(CellProblem) as caught:
        read_items(parquet({"item_code": codes, "item_name": word}))

    assert caught.value.problems[0].values["limit"] == LONGEST_CELL


def test_a_column_that_nobody_knows_is_not_read() -> None:
    word = pa.DictionaryArray.from_arrays(pa.array([0, 0], pa.int32()), ["x" * 100_000])

    table = read_items(
        parquet({"item_code": ["A", "B"], "item_name": ["Pin", "Shaft"], "picture": word})
    )

    assert table.source.ignored_columns == ("picture",)


def test_a_column_of_lists_is_refused_by_name() -> None:
    with pytest.raises(UnreadableTable, match="item_name holds list"):
        read_items(parquet({"item_code": ["A"], "item_name": [["Pin"]]}))


def test_a_file_that_says_it_is_too_large_is_not_begun() -> None:
    codes = pa.array([str(number) for number in range(20)])

    with pytest.raises(TooLarge):
        read_items(parquet({"item_code": codes, "item_name": codes}), max_rows=10)


def test_reading_stops_at_ten_thousand_broken_rows() -> None:
    broken = "item_code,item_name\n" + "A\n" * 30_000

    with pytest.raises(CellProblem) as caught:
        read_items(io.BytesIO(broken.encode()))

    assert caught.value.n_problems == 10_000
    assert pc.all(pa.array([p.code == "ragged_row" for p in caught.value.problems])).as_py()
