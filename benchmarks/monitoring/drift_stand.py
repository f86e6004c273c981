"""A throw-away product with one live model, a line that asks it, and the process that watches."""

import json
import math
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from portal.stack import throwaway

ROOT = Path(__file__).resolve().parents[2]
N_PRODUCTS = 2
THRESHOLD = 0.5
BATCH_S = 0.05
N_BASELINE = 5_000
START_TIMEOUT_S = 120

Matrix = NDArray[np.float64]


@contextmanager
def product() -> Iterator[None]:
    """Run Postgres and Redis of one's own, with Django set up on migrated tables."""
    with throwaway.throwaway() as things:
        things.postgres.create_database()
        os.environ.update(throwaway.environment(things))
        os.environ["DATABASE_URL"] = things.postgres.url()
        os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
        import django  # noqa: PLC0415 - the environment is complete only now

        django.setup()
        from django.core.management import call_command  # noqa: PLC0415 - as above
        from django.db import connection  # noqa: PLC0415 - as above

        call_command("migrate", verbosity=0)
        try:
            yield
        finally:
            connection.close()


def names(n_features: int) -> list[str]:
    """Return the names of features; the first says which product it is."""
    return ["Product_Type", *(f"feature_{place}" for place in range(1, n_features))]


def shots(n: int, n_features: int, rng: np.random.Generator) -> Matrix:
    """Return rows of a score and of features."""
    rows = rng.normal(size=(n, 1 + n_features))
    rows[:, 0] = 1 / (1 + np.exp(-(rows[:, 0] * 1.5 - 2)))
    rows[:, 1] = rng.integers(1, N_PRODUCTS + 1, n)
    return rows


def live_version(n_features: int, seed: int) -> Any:
    """Register a version with a baseline of its own kind of shots, and make it champion."""
    from predictions.engine.baseline import drift_baseline  # noqa: PLC0415 - after setup

    rows = shots(N_BASELINE, n_features, np.random.default_rng(seed))
    called = rows[:, 0] >= THRESHOLD
    columns = names(n_features)
    baseline = drift_baseline(
        rows[:, 1:].astype(np.float32), columns, rows[:, 0], called, seed=seed
    )
    return registered("benchmark", baseline, columns, threshold=THRESHOLD, brier=0.1)


def registered(
    name: str, baseline: Any, columns: Sequence[str], *, threshold: float, brier: float
) -> Any:
    """Register a version with a baseline, and make it champion of a model of its own."""
    from portal.lib.hashing import canonical_json  # noqa: PLC0415 - after setup
    from portal.registry import services as registry  # noqa: PLC0415 - as above
    from portal.registry.models import AliasMove, RegisteredModel  # noqa: PLC0415 - as above
    from portal.runs import artifacts  # noqa: PLC0415 - as above

    model = RegisteredModel.objects.create(name=name, family="quality", title="Benchmark")
    files = {
        "serving.onnx": artifacts.save(b"no model", "application/onnx"),
        "baseline.json": artifacts.save(canonical_json(baseline.to_dict()), "application/json"),
    }
    version = registry.register_version(
        model=model,
        run=None,
        artifacts=files,
        evaluation_set=None,
        dataset_fingerprint="0" * 64,
        lineage={},
        signature={"features": [{"name": one} for one in columns]},
        evaluation={"metrics": {"brier": {"value": brier}}},
        settings={"threshold": threshold},
        card="",
        is_synthetic=True,
    )
    AliasMove.objects.create(
        model=model,
        alias="champion",
        kind="bootstrap",
        from_version=None,
        to_version=version,
        actor="benchmark",
        reason="benchmark",
    )
    return version


def record(version: Any, rows: Matrix) -> None:
    """Write predictions as the recorder does, made just now."""
    now = time.time()
    moments = [round(now - 1e-6 * (len(rows) - place), 6) for place in range(len(rows))]
    record_at(version, names(rows.shape[1] - 1), rows, moments, THRESHOLD)


def record_at(
    version: Any,
    columns: Sequence[str],
    rows: Matrix,
    moments: Sequence[float],
    threshold: float,
) -> list[UUID]:
    """Write predictions made at some moments; return their identifiers."""
    from predictions.services import records  # noqa: PLC0415 - after setup
    from predictions.services.prediction_ids import new_ids  # noqa: PLC0415 - as above

    ids = [new_ids(1, moment)[0] for moment in moments]
    records.insert(
        [
            records.Record(
                identifier,
                version.pk,
                moment,
                features_text(columns, row[1:]),
                round(row[0], 6),
                "defect" if row[0] >= threshold else "ok",
                "high",
                "[]",
                0.3,
                "key:1",
                "",
            )
            for identifier, moment, row in zip(ids, moments, rows.round(6).tolist(), strict=True)
        ]
    )
    return [UUID(bytes=one) for one in ids]


def features_text(columns: Sequence[str], values: Sequence[float]) -> str:
    """Return features as JSON, those that are missing left out."""
    given = zip(columns, values, strict=True)
    return json.dumps({name: value for name, value in given if not math.isnan(value)})


def learn() -> int:
    """Learn the thresholds of every window for which it is due, as a worker does."""
    from monitoring import dispatch  # noqa: PLC0415 - after setup
    from monitoring.selectors import drift as selectors  # noqa: PLC0415 - as above
    from monitoring.services.drift import learning  # noqa: PLC0415 - as above
    from portal.core.actors import Actor  # noqa: PLC0415 - as above
    from portal.runs import leases  # noqa: PLC0415 - as above
    from portal.runs.context import RunContext  # noqa: PLC0415 - as above
    from portal.runs.keeper import Keeper  # noqa: PLC0415 - as above
    from portal.runs.models import State  # noqa: PLC0415 - as above

    rows = list(selectors.to_calibrate())
    for row in rows:
        run = dispatch.calibrate_drift(window=row, actor=Actor.system("benchmark"))
        claimed = run and leases.claim(run.pk, worker="benchmark:1")
        if claimed:
            learning.calibrate(RunContext(claimed, Keeper(claimed)), window_id=row.pk)
            leases.settle(claimed, leases.Outcome(State.SUCCEEDED))
    return len(rows)


class Line(threading.Thread):
    """Asks at a steady pace until stopped.

    Parameters
    ----------
    version
        Who answers.
    rate
        Predictions a second.
    draw
        Returns so many rows.
    """

    def __init__(self, version: Any, rate: int, draw: Callable[[int], Matrix]) -> None:
        super().__init__(daemon=True)
        self.n_asked = 0
        self._version = version
        self._rate = rate
        self._draw = draw
        self._halt = threading.Event()

    def run(self) -> None:
        from django.db import connection  # noqa: PLC0415 - after setup

        began = time.monotonic()
        while not self._halt.wait(BATCH_S):
            due = int((time.monotonic() - began) * self._rate) - self.n_asked
            if due > 0:
                record(self._version, self._draw(due))
                self.n_asked += due
        connection.close()

    def halt(self) -> None:
        """Ask no more."""
        self._halt.set()
        self.join()


class Watcher:
    """The process of the product that counts and watches."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "watch_drift"],
            cwd=ROOT,
            env=dict(os.environ),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """Let it finish its turn and end."""
        self.process.terminate()
        self.process.wait()


def value(statement: str, words: Sequence[Any] = ()) -> Any:
    """Return the first value that a statement finds."""
    from django.db import connection  # noqa: PLC0415 - after setup

    with connection.cursor() as cursor:
        cursor.execute(statement, words)
        row = cursor.fetchone()
    return row[0] if row else None


def wait_until(is_so: Callable[[], object], timeout_s: float = START_TIMEOUT_S) -> None:
    """Wait for something to become true.

    Raises
    ------
    TimeoutError
        When it does not in time.
    """
    until = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() > until:
            raise TimeoutError(f"Not so after {timeout_s} s.")
        time.sleep(0.02)


def n_waiting() -> int:
    """Return how many recorded predictions are not counted yet."""
    return int(value("SELECT count(*) FROM monitoring_arrival"))


def backend() -> int | None:
    """Return the process of Postgres that serves the one who counts."""
    found = value("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted")
    return None if found is None else int(found)


def some_seconds(rng: random.Random, most: float) -> float:
    """Return a random moment."""
    return rng.uniform(0, most)
