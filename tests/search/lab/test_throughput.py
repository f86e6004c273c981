"""Throughput of clients that are processes, and what is said when one of them dies."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

import pytest

from search.lab.engine import so_far
from search.lab.engine.corpora import Corpus
from search.lab.engine.matrix import Cell
from search.lab.services import throughput
from search.lab.services.throughput import (
    LONGEST_S,
    N_PARTS,
    SHORTEST_S,
    Client,
    Clients,
    Window,
)
from search.lab.services.worker import ANSWER, Job

# Python says that a fork of many threads may hang; these children only end, or only sleep.
pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")


class Answering:
    """Whatever is asked, it takes five milliseconds."""

    def count(self, window: Window) -> list[int]:
        time.sleep(max(0.0, window.begins_s + window.seconds - time.monotonic()))
        return [2] * N_PARTS

    def served_s(self) -> float:
        return 0.0

    def close(self) -> None:
        return None


def answering() -> Client:
    return cast("Client", Answering())


def test_clients_are_processes_whose_answers_are_added(corpus: Corpus, tmp_path: Path) -> None:
    cell = Cell("faiss-flat", corpus.texts.n_passages, corpus.dimension)
    (tmp_path / "cache").mkdir()
    job = partial(
        Job, cell=cell, texts=corpus.texts.path, vectors=corpus.path, folder=tmp_path / "job",
        cache=tmp_path / "cache",
    )  # fmt: skip
    do(job("build"))
    found = do(job("measure", clients=(1, 2)))
    assert found["per_second"].keys() == {"1", "2"}
    for parts in found["per_second"].values():
        assert len(parts) == N_PARTS
        assert sum(parts) > 0
    # A window of each number of clients, and one more of each where other work disturbed it.
    assert 2 * SHORTEST_S <= found["counted_s"] <= 4 * LONGEST_S
    assert so_far.counting_s(found) == found["counted_s"]
    assert found["foreign_cores"] >= 0
    none = do(job("measure", clients=()))
    assert (none["per_second"], none["counted_s"]) == ({}, 0)


def do(job: Job) -> dict[str, Any]:
    job.folder.mkdir(exist_ok=True)
    path = job.folder / f"{job.action}.json"
    job.write(path)
    words = [sys.executable, "-m", "search.lab.services.worker", os.fspath(path)]
    subprocess.run(words, check=True, timeout=200)  # noqa: S603 - a module of ours
    return dict(json.loads((job.folder / ANSWER).read_text()))


def test_answers_of_all_clients_are_added_up() -> None:
    def target(_number: int, pipe: Connection) -> None:
        throughput.serve(pipe, answering)

    with Clients(3, target) as clients:
        first = clients.open(answering)
        counted = [sum(clients.counted(first, count, 1.0).per_second) for count in (1, 2, 3)]
    assert counted == pytest.approx([200.0, 400.0, 600.0])


def ended(how: Callable[[], object]) -> BaseException:
    """Return what is raised when a client ends in some way while it opens its index."""

    def opened() -> Client:
        how()
        return answering()

    def target(_number: int, pipe: Connection) -> None:
        throughput.serve(pipe, opened)

    with (
        Clients(2, target) as clients,
        pytest.raises((RuntimeError, MemoryError)) as raised,
    ):
        clients.counted(clients.open(answering), 2, 1.0)
    return raised.value


def test_a_client_that_dies_is_told_at_once() -> None:
    assert str(ended(lambda: os._exit(3))) == "client 2 ended with exit status 3"


def gone() -> None:
    raise RuntimeError("the index is gone")


class Unsendable(RuntimeError):
    """An error that holds what no pipe takes."""

    def __init__(self) -> None:
        super().__init__("a lock is held")
        self.lock = threading.Lock()


def unsendable() -> None:
    raise Unsendable


def test_what_ended_a_client_is_told_in_its_own_words() -> None:
    assert str(ended(gone)) == "the index is gone"
    assert str(ended(unsendable)) == "Unsendable: a lock is held"


def no_memory() -> None:
    raise MemoryError


def test_a_client_without_memory_is_told_as_such() -> None:
    assert isinstance(ended(no_memory), MemoryError)
    assert isinstance(ended(lambda: os.kill(os.getpid(), signal.SIGKILL)), MemoryError)


def test_a_window_is_longer_for_slow_cells_within_bounds() -> None:
    assert [Window.of(p50_ms).seconds for p50_ms in (1.0, 100.0, 1_000.0)] == [1.0, 2.0, 3.0]
