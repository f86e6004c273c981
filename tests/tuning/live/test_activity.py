"""What lines of a LOG say: hand-made lines as RocksDB 9.8 writes them."""

import json
from pathlib import Path

import pytest

from tuning.engine.live.activity import Activity
from tuning.engine.live.figures import Counts, Interval, between
from tuning.engine.live.folder import Folder

STAMP = "2026/01/31-08:00:{at:09.6f} 1234 "


def event(at: float, **values: object) -> str:
    text = json.dumps({"time_micros": int(at * 1e6), **values})
    return f"{STAMP.format(at=at)}EVENT_LOG_v1 {text}"


def began(session: str) -> list[str]:
    stamp = STAMP.format(at=0)
    return [f"{stamp}RocksDB version: 9.8.4", f"{stamp}DB Session ID:  {session}"]


def table(at: float, keys: str, stalled: float, pending: int) -> list[str]:
    return [
        f"{STAMP.format(at=at)}[db/db_impl/db_impl.cc:1201] ------- DUMPING STATS -------",
        f"{STAMP.format(at=at)}[db/db_impl/db_impl.cc:1202] ",
        "** DB Stats **",
        f"Uptime(secs): {at:.1f} total, 2.0 interval",
        f"Interval writes: {keys} writes, {keys} keys, 1 commit groups, ingest: 1 MB",
        f"Interval stall: 00:00:1.000 H:M:S, {stalled} percent",
        f"Estimated pending compaction bytes: {pending}",
    ]


def statistics(at: float, keys: int, micros: int) -> list[str]:
    write = f"P50 : 1.0 P95 : 2.0 P99 : 9.5 P100 : 99.0 COUNT : {keys} SUM : {micros}"
    return [
        f"{STAMP.format(at=at)}[db/db_impl/db_impl.cc:795] STATISTICS:",
        f"rocksdb.number.keys.written COUNT : {keys}",
        "rocksdb.number.keys.read COUNT : 7",
        f"rocksdb.stall.micros COUNT : {keys * 100}",
        f"rocksdb.db.write.micros {write}",
    ]


def interval(seen: Activity) -> Interval | None:
    return seen.interval


def end(at: float) -> list[str]:
    return [f"{STAMP.format(at=at)}[default] something else"]


def test_flushes_and_compactions_are_counted_when_they_end() -> None:
    seen = Activity()
    seen.take(
        [
            event(1, job=1, event="flush_started", num_entries=10, total_data_size=1_000),
            event(1, job=2, event="compaction_started", input_data_size=500),
        ]
    )
    assert (seen.n_jobs, seen.flushed_bytes) == (2, 0)
    seen.take(
        [
            event(2, job=1, event="table_file_creation", file_size=600),
            event(2, job=1, event="flush_finished", lsm_state=[3, 0, 1]),
            event(
                3,
                job=2,
                event="compaction_finished",
                output_level=1,
                total_output_size=450,
                compaction_time_micros=1,
            ),
        ]
    )
    assert (seen.n_jobs, seen.flushed_bytes, seen.compacted_bytes) == (0, 600, 450)
    assert (seen.n_flushed, seen.flushed_input_bytes, seen.l0_files) == (10, 1_000, 3)


def test_statistics_in_the_log_tell_rate_latency_and_stalls_between_two() -> None:
    seen = Activity()
    seen.take([*began("A"), *statistics(10, 1_000, 5_000), *end(10.5)])
    assert seen.interval is None
    seen.take([*table(12, "9K", 3, 64), *statistics(12, 5_000, 25_000), *end(12.5)])
    found = seen.interval
    assert found is not None
    assert (found.seconds, found.rate, found.write_us) == (2.0, 2_000.0, 5.0)
    assert (found.stalled_share, found.write_p99_us, found.read_rate) == (0.2, 9.5, 0.0)
    assert seen.debt_bytes == 64


def test_without_statistics_the_table_tells_the_last_interval() -> None:
    seen = Activity()
    seen.take([*began("A"), *table(12, "9K", 30, 5)])
    assert seen.interval is None
    seen.take([])
    assert seen.interval is not None
    assert (seen.interval.rate, seen.interval.stalled_share) == (4_500.0, 0.3)


def test_a_rolled_log_is_no_restart_and_a_restart_begins_anew() -> None:
    seen = Activity()
    seen.take([*began("A"), *statistics(10, 1_000, 5_000), *began("A"), *end(11)])
    seen.take([*statistics(12, 3_000, 9_000), *end(13)])
    assert seen.n_starts == 1
    assert seen.interval is not None
    seen.take([event(14, job=9, event="flush_started"), *began("B"), *statistics(16, 10, 20)])
    assert (seen.n_starts, seen.n_jobs) == (2, 0)
    assert interval(seen) is None


def test_stalls_are_counted_and_damaged_lines_passed_over() -> None:
    seen = Activity()
    stamp = STAMP.format(at=1)
    seen.take(
        [
            f"{stamp}[WARN] [default] Stalling writes because we have 20 level-0 files rate 1",
            f"{stamp}[WARN] [default] Stopping writes because we have 36 level-0 files",
            f'{stamp}EVENT_LOG_v1 {{"time_micros": 17, "job"',
            f"{stamp}EVENT_LOG_v1 [1, 2]",
            "\x00\ufffd",
        ]
    )
    assert seen.n_stalls == 2


def test_counts_that_fell_say_nothing() -> None:
    assert between(Counts(1, 10, None, None, None), Counts(2, 5, None, None, None)) is None
    assert between(Counts(1, 10, None, None, None), Counts(1, 20, None, None, None)) is None


@pytest.mark.parametrize(
    ("said", "is_told"),
    [("", True), ("recycle_log_file_num=2\n", False), ("allow_mmap_writes=true\n", False)],
)
def test_a_log_whose_files_are_used_again_is_not_measured_by_their_growth(
    tmp_path: Path, said: str, is_told: bool
) -> None:
    text = f'[Version]\nrocksdb_version=9.8.4\n[DBOptions]\n{said}[CFOptions "default"]\n'
    (tmp_path / "OPTIONS-000007").write_text(text)
    (tmp_path / "OPTIONS-000009").write_text("cut off")
    (tmp_path / "000004.log").write_bytes(b"x" * 100)
    folder = Folder(tmp_path)
    look = folder.look()
    assert look is not None
    assert look.wal_bytes == 100
    assert folder.options is None  # the newest is broken: nothing is made up
    (tmp_path / "OPTIONS-000009").write_text(text)
    folder.look()
    assert folder.is_wal_told is is_told
    assert Folder(tmp_path / "none").look() is None
