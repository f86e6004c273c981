"""The latest labelled shots of many tables, in order of time."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from predictions.engine import tables
from predictions.engine.features import FEATURE_NAMES, LABEL
from predictions.engine.generator import generate
from predictions.engine.shot_table import ShotTable
from predictions.engine.snapshot import Source, gather

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def source(folder: Path, name: str, table: ShotTable, known_at: datetime = NOON) -> Source:
    path = folder / f"{name}.parquet"
    tables.write_parquet(table, path)
    return Source(path, known_at)


def with_moments(table: ShotTable, moments: Sequence[str]) -> ShotTable:
    place = table.names.index("Made_At")
    column = pa.array(moments, pa.string())
    return ShotTable(table.data.set_column(place, "Made_At", column), table.source)


def bare(table: ShotTable) -> ShotTable:
    """Return shots that say nothing but their values and their label."""
    return ShotTable(table.data.select([*FEATURE_NAMES, LABEL]), table.source)


def gathered(
    tmp_path: Path, *sources: Source, max_rows: int = 1_000, zone: str = "UTC"
) -> ShotTable:
    (tmp_path / "scratch").mkdir(exist_ok=True)
    target = tmp_path / "all.parquet"
    n = gather(sources, target, max_rows=max_rows, scratch=tmp_path / "scratch", zone=zone)
    table = tables.read_table(target, require_label=True)
    assert n == table.n_rows
    return table


def test_one_table_comes_out_as_it_went_in(tmp_path: Path) -> None:
    table = generate(300, 1, missing_share=0.2).table()

    out = gathered(tmp_path, source(tmp_path, "a", table))

    assert np.array_equal(out.matrix(), table.matrix(), equal_nan=True)
    assert out.labels().tolist() == table.labels().tolist()  # type: ignore[union-attr]
    assert out.metadata("Mold") == table.metadata("Mold")
    assert out.is_synthetic


def test_shots_of_many_tables_are_put_in_order_of_time(tmp_path: Path) -> None:
    one, other = generate(4, 1).table(), generate(2, 2).table()
    days = ["2026-01-01T00:00:00+00:00", "2026-01-03", "2026-01-03", "2026-01-09T00:00:00Z"]
    first = source(tmp_path, "a", with_moments(one, days))
    second = source(tmp_path, "b", with_moments(other, ["2026-01-02T00:00:00+09:00", "2026-01-04"]))

    out = gathered(tmp_path, first, second)

    wanted = np.vstack([one.matrix(), other.matrix()])[[0, 4, 1, 2, 5, 3]]
    assert np.array_equal(out.matrix(), wanted, equal_nan=True)


def test_only_the_latest_are_kept(tmp_path: Path) -> None:
    table = generate(500, 3).table()

    out = gathered(tmp_path, source(tmp_path, "a", table), max_rows=120)

    assert np.array_equal(out.matrix(), table.matrix()[-120:], equal_nan=True)


def test_shots_without_a_moment_count_from_when_they_were_known(tmp_path: Path) -> None:
    old, new = bare(generate(50, 4).table()), bare(generate(50, 5).table())
    dated = with_moments(generate(1, 6).table(), ["2026-02-01T00:00:00Z"])
    garbled = with_moments(generate(1, 7).table(), ["yesterday"])
    sources = [
        source(tmp_path, "new", new, NOON),
        source(tmp_path, "old", old, NOON - timedelta(days=60)),
        source(tmp_path, "dated", dated, NOON),
        source(tmp_path, "garbled", garbled, NOON - timedelta(days=90)),
    ]

    out = gathered(tmp_path, *sources)

    order = [garbled, old, dated, new]
    wanted = np.vstack([table.matrix() for table in order])
    assert np.array_equal(out.matrix(), wanted, equal_nan=True)


def test_a_moment_without_a_zone_is_of_the_plant(tmp_path: Path) -> None:
    table = generate(2, 8).table()
    moments = ["2026-01-01 08:00:00", "2026-01-01T00:30:00Z"]

    seoul = gathered(
        tmp_path, source(tmp_path, "a", with_moments(table, moments)), zone="Asia/Seoul"
    )
    utc = gathered(tmp_path, source(tmp_path, "b", with_moments(table, moments)), zone="UTC")

    assert np.array_equal(seoul.matrix(), table.matrix(), equal_nan=True)
    assert np.array_equal(utc.matrix(), table.matrix()[::-1], equal_nan=True)


def test_shots_without_a_label_are_left_out(tmp_path: Path) -> None:
    table = bare(generate(6, 9).table())
    labels = pa.array([True, None, False, None, None, True])
    half = ShotTable(table.data.set_column(len(FEATURE_NAMES), LABEL, labels), table.source)

    out = gathered(tmp_path, source(tmp_path, "a", half))

    assert out.labels() is not None
    assert np.array_equal(out.matrix(), table.matrix()[[0, 2, 5]], equal_nan=True)


@pytest.mark.parametrize("name", ["it's", 'quo"te', "한글"])
def test_any_path_will_do(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()

    assert gathered(folder, source(folder, "a", generate(5, 1).table())).n_rows == 5
