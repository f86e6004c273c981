"""Small files that would keep a process busy for minutes or fill its memory."""

import io
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from predictions.engine import readers
from predictions.engine.features import FEATURE_NAMES
from predictions.engine.generator import generate
from predictions.engine.tables import CellProblem, HeaderProblem, TooLarge, read_table

ROOT = Path(__file__).resolve().parent.parent.parent.parent


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return generate(60, 5).to_csv().decode().splitlines()


def parquet(columns: dict[str, pa.Array]) -> io.BytesIO:
    stream = io.BytesIO()
    pq.write_table(pa.table(columns), stream, compression="zstd")
    return stream


def alike(n_rows: int, **columns: pa.Array) -> dict[str, pa.Array]:
    """Return shots that are all alike, so that a file of a few kilobytes holds any number."""
    ones = pa.array([1.0]).take(pa.array([0] * n_rows))
    return dict.fromkeys(FEATURE_NAMES, ones) | columns


def test_reading_stops_at_a_file_of_broken_rows(lines: list[str]) -> None:
    broken = "\n".join([*lines, *["1"] * 3 * readers.MOST_RAGGED])
    with pytest.raises(CellProblem) as caught:
        read_table(io.BytesIO(broken.encode()))
    assert caught.value.n_problems == readers.MOST_RAGGED
    assert caught.value.problems[0].row == 63


def test_rows_among_broken_ones_keep_their_line(lines: list[str]) -> None:
    header, shots = lines[:2], lines[2:22]
    velocity = lines[1].split(",").index("Velocity_1")
    bad = shots[0].split(",")
    bad[velocity] = "x"
    mixed = [*header]
    for shot in shots:
        mixed += [shot, "1", "1,2"]
    mixed += [",".join(bad)]
    with pytest.raises(CellProblem) as caught:
        read_table(io.BytesIO("\n".join(mixed).encode()))
    found = {(item.code, item.row) for item in caught.value.problems}
    ragged = {3 + 3 * number + step for number in range(20) for step in (1, 2)}
    assert found == {("ragged_row", row) for row in ragged} | {("cell_not_a_number", 63)}


def test_a_file_of_blank_rows_is_not_read_to_its_end(
    lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "MOST_BLANK", 1_000)
    with pytest.raises(TooLarge):
        read_table(io.BytesIO("\n".join([*lines, *["" for _ in range(2_000)], "x"]).encode()))
    assert read_table(io.BytesIO("\n".join([*lines, *["" for _ in range(999)]]).encode())).n_rows


def test_a_cell_longer_than_any_name_is_no_failure_of_ours() -> None:
    with pytest.raises(HeaderProblem):
        read_table(io.BytesIO(b"1" * 200_000 + b"\n1\n"))


def test_parquet_that_says_it_is_too_large_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    monkeypatch.setattr(pq.ParquetFile, "iter_batches", lambda *_args, **_words: begun.append(1))
    with pytest.raises(TooLarge):
        read_table(parquet(alike(2_000)), max_rows=1_000)
    assert begun == []


def test_a_long_cell_of_parquet_is_refused() -> None:
    word = pa.array(["1" * (readers.LONGEST_CELL + 1)] * 3)
    with pytest.raises(CellProblem) as caught:
        read_table(parquet(alike(3, Velocity_1=word)))
    (problem,) = caught.value.problems
    assert (problem.field, problem.code) == ("Velocity_1", "cell_too_long")


@pytest.mark.integration
def test_a_few_bytes_that_stand_for_gigabytes_are_refused_in_little_memory(tmp_path: Path) -> None:
    n_rows = 20_000
    word = pa.DictionaryArray.from_arrays(pa.array([0] * n_rows, pa.int32()), ["1" * (1 << 20)])
    bomb = tmp_path / "bomb.parquet"
    bomb.write_bytes(parquet(alike(n_rows, Velocity_1=word)).getvalue())
    assert bomb.stat().st_size < 100_000
    code = (
        f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({4 << 30}, {4 << 30}))\n"
        "import sys; from predictions.engine import tables\n"
        "try: tables.read_table(sys.argv[1])\n"
        "except tables.CellProblem as exc: print(exc.problems[0].code)\n"
    )
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", code, str(bomb)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "cell_too_long", done.stderr
