"""A model with a baseline and a line that asks it, made directly: only the watch is tested."""

import json
import time
from collections.abc import Sequence
from uuid import UUID

import numpy as np
from django.contrib.auth.models import Permission

from portal.core.models import User
from portal.lib.hashing import canonical_json
from portal.registry import services as registry
from portal.registry.models import AliasMove, ModelVersion, RegisteredModel
from portal.registry.selectors import champion
from portal.runs import artifacts
from predictions.engine.baseline import drift_baseline
from predictions.services import records
from predictions.services.prediction_ids import new_ids
from predictions.services.records import Record

FEATURES = ("Product_Type", "Pressure", "Temp")
THRESHOLD = 0.3
WINDOW = 100
MODEL = "stand-in"


def shots(n: int, rng: np.random.Generator, *, shift: float = 0.0, hot: float = 0.0) -> np.ndarray:
    """Return rows of probability and features; `shift` moves the logit, `hot` the temperature."""
    product = rng.integers(1, 3, n).astype(float)
    pressure = rng.normal(900, 30, n)
    temp = rng.normal(690 + hot, 5, n)
    probability = 1 / (1 + np.exp(-rng.normal(-1.5 + shift, 1.2, n)))
    return np.stack([probability, product, pressure, temp], axis=1)


def baseline_file(n: int = 2_000) -> bytes:
    """Return a baseline as a training writes it."""
    rows = shots(n, np.random.default_rng(11))
    probability = rows[:, 0]
    matrix = rows[:, 1:].astype(np.float32)
    called = probability >= THRESHOLD
    return canonical_json(drift_baseline(matrix, FEATURES, probability, called, seed=1).to_dict())


def version(
    *, has_baseline: bool = True, name: str = MODEL, family: str = "quality"
) -> ModelVersion:
    """Register a version that nothing was trained for."""
    model, _ = RegisteredModel.objects.get_or_create(
        name=name, defaults={"family": family, "title": "Stand-in"}
    )
    files = {"serving.onnx": artifacts.save(b"no model", "application/onnx")}
    if has_baseline:
        files["baseline.json"] = artifacts.save(baseline_file(), "application/json")
    return registry.register_version(
        model=model,
        run=None,
        artifacts=files,
        evaluation_set=None,
        dataset_fingerprint="0" * 64,
        lineage={},
        signature={"features": [{"name": one} for one in FEATURES]},
        evaluation={"metrics": {"brier": {"value": 0.13, "low": 0.12, "high": 0.14}}},
        settings={"threshold": THRESHOLD},
        card="",
        is_synthetic=True,
    )


def put_live(made: ModelVersion) -> AliasMove:
    """Make a version champion."""
    before = champion(made.model.name)
    was_live = AliasMove.objects.filter(to_version=made).exists()
    kind = "rollback" if was_live else "break_glass" if before else "bootstrap"
    return AliasMove.objects.create(
        model=made.model,
        alias="champion",
        kind=kind,
        from_version=before,
        to_version=made,
        actor="test",
        reason="test",
    )


def answer(
    made: ModelVersion, rows: np.ndarray, *, principal: str = "key:1", at: float | None = None
) -> list[UUID]:
    """Record predictions a millisecond apart, the last of them now or at `at`; return their ids."""
    start = (time.time() if at is None else at) - 0.001 * len(rows)
    moments = [round(start + 0.001 * place, 6) for place in range(len(rows))]
    ids = [new_ids(1, moment)[0] for moment in moments]
    records.insert(
        [
            Record(
                identifier,
                made.pk,
                moment,
                json.dumps(dict(zip(FEATURES, row[1:].tolist(), strict=True))),
                round(float(row[0]), 6),
                "defect" if row[0] >= THRESHOLD else "ok",
                "high",
                "[]",
                1.0,
                principal,
                "",
            )
            for identifier, moment, row in zip(ids, moments, rows, strict=True)
        ]
    )
    return [UUID(bytes=one) for one in ids]


def person(name: str, *permissions: str) -> User:
    """Return an account that holds some permissions by name."""
    user = User.objects.create_user(name, password="correct horse", is_staff=True)
    wanted: Sequence[str] = permissions
    for one in wanted:
        app, codename = one.split(".")
        user.user_permissions.add(
            Permission.objects.get(content_type__app_label=app, codename=codename)
        )
    return user
