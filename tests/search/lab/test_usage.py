"""What a measurement used: memory of the engine alone, and processor time of who helps it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
from django.conf import settings

from search.lab.engine import usage
from search.lab.engine.usage import Busy, Held, Memory

PEAK = "from search.lab.engine.usage import Memory; print(Memory().held().peak_mb)"


@pytest.fixture
def session() -> Iterator[Any]:
    database: dict[str, Any] = settings.DATABASES["default"]
    with psycopg.connect(
        host=database["HOST"],
        port=database["PORT"] or None,
        user=database["USER"],
        password=database["PASSWORD"],
        dbname="postgres",
    ) as opened:
        yield opened


def test_memory_is_what_was_held_on_top_of_what_was_there() -> None:
    there = np.ones(8 << 20)
    own = Memory()
    held = own.held().engine_mb
    assert held is not None
    assert held < 32, len(there)
    more = np.ones(8 << 20)
    del more  # the peak stays
    held = own.held().engine_mb
    assert held is not None
    assert 60 <= held < 120
    held = Memory().held().engine_mb
    assert held is not None
    assert held < 32


def test_the_peak_of_the_process_that_started_this_one_is_not_its_own() -> None:
    large = np.ones(40 << 20)
    words = [sys.executable, "-c", PEAK]
    found = subprocess.run(words, check=True, capture_output=True, text=True)  # noqa: S603 - ours
    assert 0 < float(found.stdout) < large.nbytes / 2**20


def test_the_memory_of_servers_is_added_and_not_guessed() -> None:
    assert Held(100.0, 130.0, 12.0).engine_mb == 42.0
    assert Held(100.0, 130.0).engine_mb == 30.0
    assert Held(100.0, 130.0, None).engine_mb is None


def test_a_session_of_the_database_is_seen_with_its_time_and_memory(session: Any) -> None:
    (server,) = session.execute("SELECT pg_backend_pid()").fetchone()
    assert usage.is_called(server, "postgres")
    assert not usage.is_called(os.getpid(), "postgres")
    before = usage.cpu_s((server,))
    session.execute("SELECT count(*) FROM generate_series(1, 4000000)").fetchone()
    assert usage.cpu_s((server,)) > before
    assert usage.highest_mb((server,)) > 1
    assert usage.cpu_s(None) == 0


def test_time_of_helpers_is_not_that_of_others() -> None:
    busy = Busy()
    assert busy.foreign_cores() >= 0
    assert busy.foreign_cores(helpers_s=1e9) == 0
