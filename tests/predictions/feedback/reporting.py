"""What is reported of shots, and where."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.test import Client

from predictions.models import Outcome
from predictions.services import feedback

MANY = "/api/v1/outcomes/"
QUEUE = "/api/v1/outcomes/disagreements/"
LIVE = "/api/v1/predictions/live-quality/"
LABELLED = "/api/v1/datasets/labelled/"
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)

Key = Callable[..., dict[str, str]]
Predict = Callable[..., UUID]
Shots = list[dict[str, float | None]]


def report(prediction: UUID, label: str = "ok", hours: float = 1, **more: Any) -> dict[str, Any]:
    observed = (NOW + timedelta(hours=hours)).isoformat()
    return {"prediction_id": str(prediction), "label": label, "observed_at": observed, **more}


def record(*items: dict[str, Any]) -> feedback.Recorded:
    return feedback.record(items, reported_by="key:1")


def current(prediction: UUID) -> Outcome:
    return Outcome.objects.current().get(prediction_id=prediction)


def post(client: Client, path: str, body: Any, headers: dict[str, str]) -> Any:
    return client.post(path, json.dumps(body), content_type="application/json", headers=headers)
