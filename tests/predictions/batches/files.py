"""Files that are predicted, and what comes of them."""

import io
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pv
import pyarrow.parquet as pq

from portal.core.actors import Actor
from portal.registry.models import ModelVersion
from portal.runs import artifacts
from portal.runs.models import Run, RunArtifact
from portal.runs.tasks import perform
from predictions.engine.features import FEATURE_NAMES
from predictions.services import serving

ADDRESS = "/api/v1/batch-predictions/"
ACTOR = Actor.system("test", via="command")

Shots = list[dict[str, float | None]]
Key = Callable[..., dict[str, str]]
Begin = Callable[..., Run]


def csv_of(shots: Shots, **extra: list[str]) -> bytes:
    """Return shots as CSV, further columns first."""
    columns: dict[str, Any] = dict(extra)
    columns |= {name: [shot[name] for shot in shots] for name in FEATURE_NAMES}
    sink = io.BytesIO()
    pv.write_csv(pa.table(columns), sink)
    return sink.getvalue()


def worked(run: Run) -> Run:
    """Do a run's work in this process."""
    perform(str(run.pk), worker="tests:1")
    run.refresh_from_db()
    return run


def result_of(run: Run, name: str = "predictions.parquet") -> bytes:
    return artifacts.read(RunArtifact.objects.get(run=run, name=name).artifact_id)


def table_of(run: Run) -> pa.Table:
    return pq.read_table(io.BytesIO(result_of(run)))


def expected(version: ModelVersion, shots: Shots) -> np.ndarray[Any, Any]:
    matrix = np.array([[shot[name] for name in FEATURE_NAMES] for shot in shots], dtype=np.float32)
    return serving.load(version).model.predict(matrix)[0]


@contextmanager
def files_up_to(size_bytes: int) -> Iterator[None]:
    """Let this process write no larger files, as a full disk would not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
