"""Counts of many real processes are summed, whoever is killed and whenever."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client.metrics_core import Metric

from portal.lib import metric_files

ROOT = Path(__file__).resolve().parent.parent.parent
WaitFor = Callable[..., object]
#: Counts to a number, says so, and waits to be told the next one.
COUNTER = """
import sys
from pathlib import Path
from portal.lib import metric_files, metrics
metric_files.keep_in(Path(sys.argv[1]))
COUNTED = metrics.counter("portal_test_total", "For a test.", ["who"])
TOOK = metrics.histogram("portal_test_seconds", "For a test.", ["who"], (0.1, 1.0))
STANDS = metrics.gauge("portal_test_level", "For a test.", ["who"])
for line in sys.stdin:
    for _ in range(int(line)):
        COUNTED.labels("all").inc()
        TOOK.labels("all").observe(0.5)
    STANDS.labels("all").set(float(line))
    print("done", flush=True)
"""
#: Counts, forks while another thread counts, and counts in both.
FORKING = """
import os, sys, threading
from pathlib import Path
from portal.lib import metric_files, metrics
metric_files.keep_in(Path(sys.argv[1]))
COUNTED = metrics.counter("portal_test_total", "For a test.", ["who"])
NOISE = metrics.counter("portal_noise_total", "For a test.", ["who"])
stop = threading.Event()
def disturb():
    while not stop.is_set():
        NOISE.labels("all").inc()
noise = threading.Thread(target=disturb)
noise.start()
COUNTED.labels("all").inc()
children = []
for _ in range(5):
    child = os.fork()
    if not child:
        COUNTED.labels("all").inc()
        os._exit(0)
    children.append(child)
codes = [os.waitpid(child, 0)[1] for child in children]
stop.set()
noise.join()
print("done", flush=True)
sys.exit(any(codes))
"""
#: Folds what the dead left until it is killed itself.
FOLDER = """
import sys
from pathlib import Path
from portal.lib import metric_files
metric_files.keep_in(Path(sys.argv[1]))
print("done", flush=True)
while True:
    metric_files.fold()
"""


class Child:
    """A process that counts, or folds."""

    def __init__(self, folder: Path, program: str) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - our own words
            [sys.executable, "-c", program, os.fspath(folder)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def count(self, n: int) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{n}\n")
        self.process.stdin.flush()
        self.wait()

    def wait(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "done\n"

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Child]]:
    """Give ``start(program)``: a child over the folder of this test."""
    children: list[Child] = []

    def run(program: str) -> Child:
        children.append(Child(tmp_path, program))
        return children[-1]

    yield run
    for child in children:
        child.kill()


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path) -> Iterator[None]:
    """Read the folder of this test, and give the process its own back."""
    before = metric_files.folder()
    metric_files.keep_in(tmp_path)
    yield
    if before is not None:
        metric_files.keep_in(before)


def found() -> dict[str, Metric]:
    return {metric.name: metric for metric in metric_files.collect()}


def total() -> float:
    metric = found().get("portal_test")
    return metric.samples[0].value if metric else 0.0


def test_living_and_killed_processes_are_summed(start: Callable[[str], Child]) -> None:
    first, second = start(COUNTER), start(COUNTER)
    first.count(5)
    second.count(7)
    assert total() == 12
    first.kill()
    assert total() == 12
    second.count(1)
    start(COUNTER).count(2)
    assert total() == 15


def test_a_histogram_is_summed_over_the_dead_as_well(start: Callable[[str], Child]) -> None:
    first, second = start(COUNTER), start(COUNTER)
    first.count(2)
    first.kill()
    metric_files.fold()
    second.count(3)
    values = {
        (one.name.removeprefix("portal_test_seconds"), one.labels.get("le", "")): one.value
        for one in found()["portal_test_seconds"].samples
    }
    assert values == {
        ("_bucket", "0.1"): 0,
        ("_bucket", "1.0"): 5,
        ("_bucket", "+Inf"): 5,
        ("_count", ""): 5,
        ("_sum", ""): 2.5,
    }


def test_the_last_to_set_a_gauge_is_right_even_when_it_is_dead(
    start: Callable[[str], Child],
) -> None:
    first, second = start(COUNTER), start(COUNTER)
    first.count(3)
    second.count(4)
    second.kill()
    assert metric_files.fold() == 3
    assert [one.value for one in found()["portal_test_level"].samples] == [4]


def test_the_dead_leave_one_archive_however_many_died(
    start: Callable[[str], Child], tmp_path: Path
) -> None:
    for _ in range(3):
        child = start(COUNTER)
        child.count(2)
        child.kill()
        assert metric_files.fold() == 3
    assert [path.name for path in tmp_path.glob("*.db")] == []
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["archive-3"]
    assert total() == 6


def test_a_living_process_is_never_folded(start: Callable[[str], Child]) -> None:
    child = start(COUNTER)
    child.count(1)
    assert metric_files.fold() == 0
    child.count(1)
    assert total() == 2


@pytest.mark.integration
def test_whoever_folds_may_be_killed_at_any_moment(
    start: Callable[[str], Child], tmp_path: Path
) -> None:
    chance = random.Random(3)  # noqa: S311 - moments to kill at
    counted, expected = start(COUNTER), 0
    for _ in range(6):
        counted.count(3)
        expected += 3
        folder = start(FOLDER)
        folder.wait()
        counted.kill()
        for _look in range(chance.randrange(4)):
            assert total() == expected
        folder.kill()
        assert total() == expected
        counted = start(COUNTER)
    metric_files.fold()
    assert [path.name for path in tmp_path.glob("merging-*")] == []
    assert total() == expected


def test_a_fold_that_died_before_its_archive_counted_is_done_again(
    start: Callable[[str], Child], tmp_path: Path
) -> None:
    child = start(COUNTER)
    child.count(4)
    child.kill()
    (tmp_path / "merging-1").mkdir()
    for path in tmp_path.glob("counter_*.db"):
        path.rename(tmp_path / "merging-1" / path.name)
    (tmp_path / "archive-1.new").mkdir()
    assert total() == 4


def test_a_fold_that_died_after_its_archive_counted_is_not_counted_twice(
    start: Callable[[str], Child], tmp_path: Path
) -> None:
    child = start(COUNTER)
    child.count(4)
    child.kill()
    kept = next(tmp_path.glob("counter_*.db")).read_bytes()
    assert total() == 4
    (tmp_path / "merging-1").mkdir()
    (tmp_path / "merging-1" / "counter_1-a.db").write_bytes(kept)
    assert total() == 4


def test_a_damaged_file_costs_only_itself(start: Callable[[str], Child], tmp_path: Path) -> None:
    child = start(COUNTER)
    child.count(4)
    (tmp_path / "counter_7-torn.db").write_bytes(b"\xff\xff\x00\x00garbage")
    assert total() == 4
    assert [path.suffix for path in tmp_path.rglob("*torn*")] == [".damaged"]


def test_a_forked_child_counts_in_files_of_its_own(
    start: Callable[[str], Child], tmp_path: Path
) -> None:
    child = start(FORKING)
    child.wait()
    assert child.process.wait() == 0
    assert total() == 6
    assert not list(tmp_path.glob("counter_*.db")), "a child kept its parent's lock"
