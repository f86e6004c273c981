"""Files of a RocksDB: real ones, made here, and broken ones."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import rocksdict

from tests.tuning.engine.importers import texts
from tuning.engine.importers.db_bench import read_db_bench
from tuning.engine.importers.log import read_log
from tuning.engine.importers.options import read_options
from tuning.engine.importers.statistics import read_dump, read_stats
from tuning.engine.problems import Unreadable
from tuning.engine.rocksdb.opening import database
from tuning.engine.rocksdb.target import RocksDB

GIVEN = {
    "write_buffer_size": 1,
    "target_file_size_base": 1,
    "max_bytes_for_level_base": 4,
    "compression": "zstd",
    "compaction_style": "universal",
    "universal_size_ratio": 7,
    "bloom_bits": 10,
    "max_subcompactions": 2,
}


@dataclass(frozen=True)
class Real:
    """What a database left."""

    log: str
    options: str
    statistics: str
    stats: str


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Real:
    """Return the files of a database that flushed and compacted."""
    folder = tmp_path_factory.mktemp("database")
    whole = RocksDB().check(GIVEN)
    opened, made = database(folder, whole, wal=True)
    for number in range(30_000):
        opened.put(b"%016d" % (number * 7919 % 30_000), b"v%d" % number * 40)
    opened.flush()
    opened.compact_range(None, None)
    statistics = made.get_statistics() or ""
    stats = opened.property_value("rocksdb.stats") or ""
    opened.close()
    options = next(iter(sorted(folder.glob("OPTIONS-*"))))
    return Real(_text(folder / "LOG"), _text(options), statistics, stats)


def _text(path: Path) -> str:
    return path.read_text("utf-8")


def test_the_log_agrees_with_the_counters(real: Real) -> None:
    log = read_log(real.log.splitlines())
    counted = read_dump(real.statistics).counters
    assert log.version.startswith("9.")
    assert log.n_damaged == 0
    assert log.flushed_bytes == pytest.approx(counted["rocksdb.flush.write.bytes"], rel=0.05)
    assert log.compacted_bytes == pytest.approx(counted["rocksdb.compact.write.bytes"], rel=0.05)
    assert log.options["write_buffer_size"] == str(1 << 20)
    amplification = log.write_amplification
    assert amplification is not None
    assert amplification > 0


def test_an_options_file_gives_back_the_configuration(real: Real) -> None:
    found = read_options(real.options).configuration()
    whole = RocksDB().check(GIVEN)
    # Cache and limiter are objects that the file does not hold; universal has no dynamic levels;
    # the C interface that made the database hides the bits of its filter.
    lost = {"block_cache_size", "rate_limiter", "level_compaction_dynamic_level_bytes"}
    lost |= {"bloom_bits"}
    assert "bloom_bits" not in found
    for name in set(whole) - lost:
        assert found[name] == pytest.approx(whole[name]), name
    assert RocksDB().check(found)


@pytest.mark.parametrize(
    ("policy", "bits"), [("bloomfilter:12:false", 12), ("nullptr", 0), ("bloomfilter", None)]
)
def test_bits_of_the_filter_are_read_where_they_are_told(
    real: Real, policy: str, bits: int | None
) -> None:
    text = real.options.replace("filter_policy=bloomfilter", f"filter_policy={policy}")
    assert read_options(text).configuration().get("bloom_bits") == bits


def test_an_options_file_names_its_column_families(real: Real) -> None:
    with pytest.raises(Unreadable, match=r"'other'.*default"):
        read_options(real.options).configuration("other")


def test_the_table_of_levels_is_read(real: Real) -> None:
    stats = read_stats(real.stats)
    assert stats.levels
    assert stats.uptime_s > 0
    assert sum(level.n_files for level in stats.levels) > 0


def test_a_dump_inside_a_log_is_found_and_the_last_one_counts() -> None:
    text = (
        "STATISTICS:\n rocksdb.bytes.written COUNT : 1\n"
        "STATISTICS:\n rocksdb.bytes.written COUNT : 200\nrocksdb.flush.write.bytes COUNT : 100\n"
    )
    dump = read_dump(text)
    assert dump.counters["rocksdb.bytes.written"] == 200
    assert dump.write_amplification == 0.5


def test_stalls_are_told_from_stops() -> None:
    log = read_log(texts.STALLS.splitlines())
    assert [stall.is_stop for stall in log.stalls] == [False, True]
    assert "level-0" in log.stalls[0].reason


def test_a_log_cut_off_in_an_event_keeps_the_others(real: Real) -> None:
    whole = read_log(real.log.splitlines())
    cut = [*real.log.splitlines(), 'x EVENT_LOG_v1 {"event": "flush_finished"}', "EVENT_LOG_v1 {"]
    found = read_log(cut)
    assert found.n_damaged == 1
    assert found.flushes == whole.flushes


def test_db_bench_is_read_with_percentiles() -> None:
    run = read_db_bench(texts.DB_BENCH)
    fill, read = run.benchmarks
    assert (fill.name, fill.rate_s, fill.n_operations) == ("fillrandom", 296_383, 10_000_000)
    assert fill.percentiles_us["P99"] == 12.5
    assert (read.rate_s, read.mb_s, read.seconds) == (102_345, None, None)
    assert run.version == "9.8.4"
    assert run.header["Values"].startswith("100 bytes")


@pytest.mark.parametrize("text", ["", "nonsense", "\x00\x01", "[Version]\n", "{}"])
def test_foreign_files_are_refused_by_name(text: str) -> None:
    for reader in (read_options, read_dump, read_stats, read_db_bench):
        with pytest.raises(Unreadable, match=r"mine\.txt"):
            reader(text, "mine.txt")
    with pytest.raises(Unreadable, match=r"mine\.txt"):
        read_log(text.splitlines(), "mine.txt")


def test_a_broken_line_of_an_options_file_is_named(real: Real) -> None:
    with pytest.raises(Unreadable, match="line 2 "):
        read_options("[Version]\nwhat is this\n" + real.options)


def test_a_broken_row_of_levels_is_named() -> None:
    with pytest.raises(Unreadable, match="level 0"):
        read_stats("** Compaction Stats [default] **\n  L0      3/0   oops MB\n")


def test_the_version_read_is_that_of_the_library(real: Real) -> None:
    assert rocksdict.Rdict is not None
    assert read_options(real.options).version == read_log(real.log.splitlines()).version
