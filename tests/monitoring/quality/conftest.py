"""A champion with a baseline, and lines that send it rows, made directly."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from django.utils import translation

from portal.lib import clock
from portal.registry import services as registry
from portal.registry.models import ModelVersion, RegisteredModel
from portal.runs import artifacts
from predictions.services import records
from predictions.services.prediction_ids import new_ids
from predictions.services.records import Record
from tests.monitoring.drift import world

MODEL = "stand-in"
SCOPE = f"live:{MODEL}"
#: Of the whole module, so that an hour that ends meanwhile changes nothing.
NOW = clock.now()
LAST_HOUR = NOW.replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
SIGNATURE = [
    {"name": "Product_Type", "kind": "category", "low": 1, "high": 2, "allowed": [1, 2]},
    {"name": "Pressure", "kind": "process", "low": 0, "high": 2_000},
    {"name": "Temp", "kind": "process", "low": 0, "high": 1_000},
]


@pytest.fixture(autouse=True)
def english(redis_client: object) -> Iterator[None]:
    """Speak English, whatever the product's own language, with nothing waiting in Redis."""
    with translation.override("en"):
        yield


@pytest.fixture
def champion(db: None) -> ModelVersion:
    """Give a champion whose baseline has no missing values."""
    model = RegisteredModel.objects.create(name=MODEL, family="quality", title="Stand-in")
    files = {"baseline.json": artifacts.save(world.baseline_file(), "application/json")}
    version = registry.register_version(
        model=model,
        run=None,
        artifacts=files,
        evaluation_set=None,
        dataset_fingerprint="0" * 64,
        lineage={},
        signature={"features": SIGNATURE},
        evaluation={},
        settings={"threshold": world.THRESHOLD},
        card="",
        is_synthetic=True,
    )
    world.put_live(version)
    return version


def shots(n: int, *, seed: int = 3) -> list[dict[str, Any]]:
    """Return rows as the baseline knows them."""
    rows = world.shots(n, np.random.default_rng(seed))[:, 1:].tolist()
    return [dict(zip(world.FEATURES, row, strict=True)) for row in rows]


def send(
    version: ModelVersion,
    rows: Sequence[Mapping[str, Any]],
    *,
    source: str = "key:1",
    at: datetime | None = None,
) -> None:
    """Record predictions of a source within an hour."""
    start = (at or LAST_HOUR).timestamp() + 60
    moments = [round(start + 0.01 * place, 6) for place in range(len(rows))]
    records.insert(
        [
            Record(
                new_ids(1, moment)[0],
                version.pk,
                moment,
                json.dumps(row),
                0.25,
                "ok",
                "high",
                "[]",
                1.0,
                source,
                "",
            )
            for moment, row in zip(moments, rows, strict=True)
        ]
    )
