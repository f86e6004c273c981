"""What is sent to the open inference protocol, and what comes back."""

import json
from collections.abc import Callable
from typing import Any

from django.test import Client

from predictions.engine.features import FEATURE_NAMES
from predictions.services import stream
from predictions.services.recorder import Recorder

MODEL = "/v2/models/diecasting-quality"
INFER = f"{MODEL}/infer"
OUTPUTS = ["probability", "class", "confidence", "latent_features", "prediction_id"]
LENGTH = "Inference-Header-Content-Length"

Shots = list[dict[str, float | None]]
Key = Callable[..., dict[str, str]]


def rows_of(shots: Shots) -> list[list[Any]]:
    return [[shot[name] for name in FEATURE_NAMES] for shot in shots]


def whole(shots: Shots, **more: Any) -> dict[str, Any]:
    tensor = {"name": "features", "shape": [len(shots), 30], "datatype": "FP64"}
    return {"inputs": [tensor | {"data": rows_of(shots)} | more]}


def named(shots: Shots) -> dict[str, Any]:
    return {
        "inputs": [
            {
                "name": name,
                "shape": [len(shots), 1] if index % 2 else [len(shots)],
                "datatype": "FP32" if index % 3 else "FP64",
                "data": [shot[name] for shot in shots],
            }
            for index, name in enumerate(FEATURE_NAMES)
        ]
    }


def post(client: Client, body: Any, headers: dict[str, str], address: str = INFER) -> Any:
    text = body if isinstance(body, (str, bytes)) else json.dumps(body)
    return client.post(address, text, content_type="application/json", headers=headers)


def outputs_of(answer: Any) -> dict[str, Any]:
    return {output["name"]: output for output in answer.json()["outputs"]}


def record_all() -> None:
    recorder = Recorder("test")
    while recorder.turn() or stream.waiting():
        pass
