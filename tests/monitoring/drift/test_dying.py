"""The watcher dies without warning, again and again, and every prediction is counted once."""

import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from monitoring.engine.looks import N_LEADING
from monitoring.models import Arrival, DriftBlock, DriftCursor, DriftPast, DriftPolicy, DriftWindow
from monitoring.services.drift.storage import unpack_past, unpack_rows
from tests.monitoring.drift import world

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]

ROOT = Path(__file__).resolve().parents[3]
WINDOW = 1_000
WaitFor = Callable[..., object]


@contextmanager
def watcher(env: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run the process that counts, and end it at once."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "watch_drift"],
        cwd=ROOT,
        env=dict(env),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def n_counted() -> int:
    return DriftCursor.objects.values_list("n_counted", flat=True).first() or 0


def counted_scores(window: DriftWindow) -> Counter[int]:
    """Return every score the window was given, in millionths."""
    past = DriftPast.objects.filter(window=window)
    parts = [unpack_past(bytes(one.content)).scores for one in past]
    rest = DriftBlock.objects.filter(window=window, number__gte=20 * len(parts))
    width = N_LEADING + len(world.FEATURES)
    parts += [unpack_rows(bytes(block.rows), width)[:, 0].astype(np.float64) for block in rest]
    return Counter(np.rint(np.concatenate(parts) * 1e6).astype(int).tolist())


@pytest.mark.timeout(600)
def test_a_watcher_that_is_killed_misses_nothing_and_counts_nothing_twice(
    child_environment: Mapping[str, str], wait_for: WaitFor
) -> None:
    version = world.version()
    world.put_live(version)
    DriftPolicy.objects.create(model=version.model, window=WINDOW, slicings=["product"])
    generator, chance = np.random.default_rng(8), random.Random(8)  # noqa: S311 - no secret
    n_asked = 0
    for _death in range(3):
        rows = world.shots(2_500, generator)
        rows[:, 0] = np.arange(n_asked + 1, n_asked + 2_501) / 1e6
        before = n_counted()
        with watcher(child_environment):
            for part in np.array_split(rows, 25):
                world.answer(version, part)
            n_asked += len(rows)
            wait_for(lambda before=before: n_counted() > before, timeout=120)
            time.sleep(chance.uniform(0, 0.05))

    with watcher(child_environment):
        wait_for(lambda: not Arrival.objects.exists(), timeout=120)

    window = DriftWindow.objects.get(slice="")
    assert window.n_seen == n_counted() == n_asked
    assert counted_scores(window) == Counter(range(1, n_asked + 1))
    slices = DriftWindow.objects.exclude(slice="").values_list("n_seen", flat=True)
    assert sum(slices) == n_asked
