"""RocksDB measured in a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from tuning.engine.contract import Measurement, preset
from tuning.engine.hold import PREFIX, ROOT
from tuning.engine.options import Value
from tuning.engine.problems import BadConfiguration, NoSpace, RefusedByEngine, TargetLost
from tuning.engine.rocksdb import counters
from tuning.engine.rocksdb.target import RocksDB

SMALL = {"write_buffer_size": 1, "target_file_size_base": 1, "max_bytes_for_level_base": 4}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measurement:
    """A short load of every kind of operation."""
    target = RocksDB()
    load = preset(
        target, "mixed", preload=2_000, key_space=2_000, scan_share=0.05, modify_share=0.1
    )
    return target.measure(
        {**SMALL, "compression": "none"},
        load,
        seconds=3.0,
        seed=3,
        folder=tmp_path_factory.mktemp("rocksdb"),
    )


def test_counters_of_rocksdb_agree_with_what_was_put(measured: Measurement) -> None:
    counted = measured.counters
    n_puts = measured.samples["puts_per_s"].sum()
    assert counted["n_puts"] == n_puts == counted["keys_written"]
    # RocksDB counts a header of 12 bytes and lengths with each record.
    assert counted["bytes_written"] == pytest.approx(counted["put_bytes"], rel=0.06)


def test_every_operation_is_in_the_histograms_or_the_warm_up(measured: Measurement) -> None:
    for name in ("put", "read"):
        in_histogram = measured.samples[f"{name}_latency_counts"].sum()
        done = measured.samples[f"{name}s_per_s"].sum()
        assert 0 < in_histogram <= done
    assert 0 < measured.values["put_p50_us"] <= measured.values["put_p99_us"]
    assert measured.values["put_p99_us"] <= 1.05e6 * measured.values["longest_stall_s"]


def test_sustainable_rate_counts_the_time_to_drain(measured: Measurement) -> None:
    assert measured.values["drain_s"] >= 0
    seconds = measured.counters["n_puts"] / measured.values["sustainable_rate"]
    loaded = measured.environment["load_seconds"]
    assert seconds == pytest.approx(loaded + measured.values["drain_s"])


class Unruly(RocksDB):
    """RocksDB without rules of ours between options."""

    def check(self, configuration: Mapping[str, object]) -> dict[str, Value]:
        """Return what is given over the defaults."""
        return {**self.defaults(), **configuration}  # type: ignore[dict-item]  # values of options


def test_the_engines_own_refusal_is_told_in_its_words(tmp_path: Path) -> None:
    both = {"unordered_write": True, "enable_pipelined_write": True}
    target = Unruly()
    with pytest.raises(RefusedByEngine, match="pipelined_write"):
        target.measure(both, preset(target, "put-heavy"), seconds=2, seed=1, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_triggers_out_of_order_are_refused_before_anything_starts() -> None:
    with pytest.raises(BadConfiguration, match="level0_stop_writes_trigger = 10"):
        RocksDB().check({"level0_stop_writes_trigger": 10})


def test_a_disk_with_too_little_room_is_refused_before_anything_starts(tmp_path: Path) -> None:
    target = RocksDB(reserve_mib=1 << 40)
    with pytest.raises(NoSpace, match="MiB free"):
        target.measure({}, preset(target, "put-heavy"), seconds=2, seed=1, folder=tmp_path)


def test_what_a_dead_parent_left_is_removed(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = tmp_path / f"trial-{gone.pid}-x"
    left.mkdir()
    (left / "000001.sst").write_bytes(b"x")
    target = RocksDB()
    target.measure({}, preset(target, "put-heavy"), seconds=2, seed=1, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_statistics_text_is_parsed_into_counters_and_histograms() -> None:
    text = (
        "rocksdb.bytes.written COUNT : 64800000\n"
        "rocksdb.db.write.micros P50 : 1.5 P95 : 2.5 P99 : 3.5 P100 : 9.0 COUNT : 4 SUM : 12\n"
    )
    assert counters.tickers(text) == {"rocksdb.bytes.written": 64_800_000}
    assert counters.histograms(text)["rocksdb.db.write.micros"]["p99"] == 3.5
    assert counters.reported(text)["bytes_written"] == 64_800_000


@pytest.mark.integration
def test_a_killed_engine_counts_as_lost_and_leaves_nothing(tmp_path: Path) -> None:
    def kill(fraction: float, phase: str) -> None:
        if phase == "load":
            for child in psutil.Process().children():
                if "tuning.engine.rocksdb.worker" in child.cmdline():
                    child.send_signal(signal.SIGKILL)

    target = RocksDB()
    with pytest.raises(TargetLost, match="signal 9"):
        target.measure(
            {}, preset(target, "put-heavy"), seconds=30, seed=1, folder=tmp_path, beat=kill
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.integration
def test_the_engine_dies_with_its_parent(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from tuning.engine.contract import preset\n"
        "from tuning.engine.rocksdb.target import RocksDB\n"
        "import psutil\n"
        "def say(fraction, phase):\n"
        "    if phase == 'load': print(psutil.Process().children()[0].pid, flush=True)\n"
        "target = RocksDB()\n"
        "target.measure({}, preset(target, 'put-heavy', rate_limit=1000), seconds=100, seed=1,"
        " folder=Path(sys.argv[1]), beat=say)\n"
    )
    parent = subprocess.Popen(  # noqa: S603 - our own code
        [sys.executable, "-c", code, str(tmp_path)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).resolve().parents[3],
    )
    assert parent.stdout is not None
    engine = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    _gone, alive = psutil.wait_procs([engine], timeout=60)
    assert not alive or alive[0].status() == psutil.STATUS_ZOMBIE


@pytest.mark.integration
@pytest.mark.skipif(
    os.geteuid() != 0 or not os.access(ROOT / "blkio", os.W_OK),
    reason="holding a device takes root and the blkio controller",
)
def test_a_held_device_writes_no_faster_than_it_is_held_to(tmp_path: Path) -> None:
    target = RocksDB()
    load = preset(target, "held-disk-synced", hold_mib_s=8.0)
    found = target.measure(SMALL, load, seconds=5, seed=1, folder=tmp_path)
    assert "blkio" in found.environment["held_by"]
    busy_s = found.environment["load_seconds"] + found.values["drain_s"]
    written = found.values["device_write_bytes"]
    assert written > 0
    assert written / busy_s < 1.25 * 8 * (1 << 20)
    assert not list((ROOT / "blkio").glob(f"{PREFIX}{os.getpid()}*"))
