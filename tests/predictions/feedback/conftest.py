"""Fixtures of what became of shots: predictions on record."""

import json
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import pytest

from portal.core.models import ApiKey, User
from portal.registry.models import ModelVersion
from predictions.engine.features import FEATURE_NAMES
from predictions.services import records
from tests.predictions.feedback.reporting import NOW, Predict
from tests.predictions.records import make_record


@pytest.fixture
def predict(make_version: Callable[..., ModelVersion]) -> Predict:
    """Give ``predict(probability=…, at=…)``: records a prediction and returns its id."""
    version = make_version()

    def record(
        probability: float = 0.3, at: datetime = NOW, shot: int = 1, principal: str = "key:1"
    ) -> UUID:
        features = dict.fromkeys(FEATURE_NAMES, 1.0) | {"Shot": float(shot)}
        made = make_record(
            version_id=version.pk,
            at=at.timestamp(),
            probability=probability,
            predicted_class="defect" if probability >= 0.5 else "ok",
            features=json.dumps(features),
            principal=principal,
        )
        records.insert([made])
        return UUID(bytes=made.id)

    return record


@pytest.fixture
def line(db: None) -> str:
    """Give a line's principal; its key is called line 4."""
    user = User.objects.create(username="plc")
    key = ApiKey.objects.create(name="line 4", user=user, prefix="mw_1", digest="1" * 64)
    return f"key:{key.pk}"
