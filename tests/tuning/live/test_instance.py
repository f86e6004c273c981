"""A real RocksDB in another process, looked at from outside."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.tuning.live.beside import writing
from tests.waiting import wait_for
from tuning.engine.live.figures import Sample
from tuning.engine.live.instance import Instance

PATIENCE_S = 60


def looking(instance: Instance, seen: list[Sample]) -> Callable[[], bool]:
    """Return a step that looks once and keeps the sample."""

    def look() -> bool:
        time.sleep(0.2)  # the pace of looking, nothing waits on it
        if sample := instance.look(datetime.now(tz=UTC)):
            seen.append(sample)
        return True

    return look


def until(instance: Instance, done: Callable[[Sample], bool], seen: list[Sample]) -> Sample:
    """Look until a sample is as wished, and return it."""
    look = looking(instance, seen)

    def step() -> list[Sample]:
        look()
        return [one for one in seen if done(one)]

    found: list[Sample] = wait_for(step, PATIENCE_S)
    return found[0]


def told_by(seen: Sample) -> str:
    """Return the source; that of the table before the first statistics counts for none."""
    is_table = seen.rate_source == "log" and seen.write_us is None
    return "" if is_table else seen.rate_source


@pytest.mark.parametrize(
    ("words", "source"),
    [((), "wal"), (("statistics", "small-log"), "log"), (("dump",), "statistics")],
)
def test_a_running_engine_is_measured_by_the_best_source(
    tmp_path: Path, words: tuple[str, ...], source: str
) -> None:
    folder = tmp_path / "db"
    instance = Instance(folder, statistics=tmp_path / "db.statistics")
    assert instance.look(datetime.now(tz=UTC)) is None
    seen: list[Sample] = []
    with writing(folder, *words) as writer:
        found = until(instance, lambda one: bool(one.rate) and told_by(one) == source, seen)
        process = until(instance, lambda one: one.cpu_cores is not None, seen)
        assert instance.pid == writer.pid
    assert process.memory_bytes
    assert found.size_bytes
    assert sum(one.flushed_bytes_s or 0 for one in seen) > 0
    assert (found.write_us is not None) == (source != "wal")
    assert (instance.version, instance.n_starts) == ("9.8.4", 1)
    assert instance.options is not None
    assert instance.options.database["stats_dump_period_sec"] in {"1", "600"}
    instance.close()


def test_an_engine_that_dies_and_comes_back_is_followed(tmp_path: Path) -> None:
    folder = tmp_path / "db"
    instance = Instance(folder)
    seen: list[Sample] = []
    with writing(folder) as writer:
        until(instance, lambda one: bool(one.rate), seen)
        writer.kill()
    n_before = len(seen)
    until(instance, lambda one: one.cpu_cores is None and len(seen) > n_before + 2, seen)
    assert instance.pid is None
    with writing(folder) as second:
        wait_for(lambda: looking(instance, seen)() and instance.pid == second.pid, PATIENCE_S)
        wait_for(lambda: looking(instance, seen)() and instance.n_starts == 2, PATIENCE_S)


def test_without_a_write_ahead_log_its_growth_is_not_taken_for_a_rate(tmp_path: Path) -> None:
    folder = tmp_path / "db"
    instance = Instance(folder)
    seen: list[Sample] = []
    with writing(folder, "no-log"):
        until(instance, lambda one: (one.flushed_bytes_s or 0) > 0, seen)
    assert "wal" not in {one.rate_source for one in seen}


def test_what_was_written_before_the_watch_says_nothing_of_now(tmp_path: Path) -> None:
    folder = tmp_path / "db"
    with writing(folder, "statistics") as writer:
        wait_for(lambda: (folder / "LOG").exists() and b"STATISTICS" in log(folder), PATIENCE_S)
        writer.stop()
    instance = Instance(folder)
    seen: list[Sample] = []
    until(instance, lambda one: len(seen) >= 3, seen)
    assert [one.rate for one in seen if one.rate_source == "log"] == []
    assert all(not one.n_stalls and not one.flushed_bytes_s for one in seen)


def log(folder: Path) -> bytes:
    return (folder / "LOG").read_bytes()
