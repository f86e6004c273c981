"""Tensors of the open inference protocol v2 in bytes, and latent features."""

import json
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from django.test import Client

from portal.registry.models import ModelVersion
from predictions.engine import export
from predictions.engine.features import FEATURE_NAMES
from predictions.engine.generator import generate
from predictions.engine.parameters import TrainingParams
from predictions.engine.training import train
from predictions.models import Prediction
from predictions.services import serving
from tests.predictions.conftest import SMALL
from tests.predictions.v2.asking import (
    INFER,
    LENGTH,
    MODEL,
    Shots,
    outputs_of,
    post,
    record_all,
    rows_of,
    whole,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]


# --- Tensors as bytes -----------------------------------------------------------------------------
def binary(shots: Shots, kind: str, **changes: Any) -> tuple[bytes, int]:
    """Return a body with its tensor behind the JSON, and the length of the JSON."""
    content = np.array(rows_of(shots), dtype="<f4" if kind == "FP32" else "<f8").tobytes()
    tensor = {
        "name": "features",
        "shape": [len(shots), 30],
        "datatype": kind,
        "parameters": {"binary_data_size": len(content)},
    }
    head = json.dumps({"inputs": [tensor], **changes}).encode()
    return head + content, len(head)


def post_binary(client: Client, key: dict[str, str], body: bytes, length: object) -> Any:
    kind = "application/octet-stream"
    return client.post(INFER, body, content_type=kind, headers=key | {LENGTH: str(length)})


@pytest.mark.parametrize("kind", ["FP32", "FP64"])
def test_a_tensor_in_bytes_is_answered_as_the_same_numbers_in_json(
    client: Client, champion: ModelVersion, key: dict[str, str], shots: Shots, kind: str
) -> None:
    short: Shots = [
        {name: round(value or 0.0, 4) for name, value in shot.items()} for shot in shots[:4]
    ]
    in_json = outputs_of(post(client, whole(short), key))

    answer = post_binary(client, key, *binary(short, kind))
    record_all()

    assert answer.status_code == 200
    assert outputs_of(answer)["probability"] == in_json["probability"]
    assert {json.dumps(row.features, sort_keys=True) for row in Prediction.objects.all()} == {
        json.dumps(shot, sort_keys=True) for shot in short
    }


def test_outputs_come_as_bytes_when_asked_for(
    client: Client, champion: ModelVersion, key: dict[str, str], shots: Shots
) -> None:
    wanted = [{"name": "probability"}, {"name": "class"}]
    in_json = outputs_of(post(client, whole(shots[:3]) | {"outputs": wanted}, key))
    asked = {"outputs": wanted, "parameters": {"binary_data_output": True}}

    answer = post_binary(client, key, *binary(shots[:3], "FP64", **asked))

    length = int(answer.headers[LENGTH])
    head, blob = json.loads(answer.content[:length]), answer.content[length:]
    sizes = [output["parameters"]["binary_data_size"] for output in head["outputs"]]
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert sum(sizes) == len(blob)
    assert np.frombuffer(blob[: sizes[0]]).tolist() == in_json["probability"]["data"]
    first = struct.unpack("<I", blob[sizes[0] : sizes[0] + 4])[0]
    word = blob[sizes[0] + 4 : sizes[0] + 4 + first].decode()
    assert word == in_json["class"]["data"][0]


def test_bytes_that_do_not_fit_are_refused(
    client: Client, champion: ModelVersion, key: dict[str, str], shots: Shots
) -> None:
    body, length = binary(shots[:2], "FP64")

    answers = [
        post_binary(client, key, body[:-1], length),
        post_binary(client, key, body + b"x", length),
        post_binary(client, key, body, length - 1),
        post_binary(client, key, body, len(body) + 1),
        post_binary(client, key, body, "-5"),
        post_binary(client, key, body, "many"),
        post_binary(client, key, body, 0),
        client.post(INFER, body, content_type="application/octet-stream", headers=key),
    ]

    assert [answer.status_code for answer in answers] == [400] * len(answers)
    assert all(set(answer.json()) == {"error"} for answer in answers)


# --- Latent features ------------------------------------------------------------------------------
@pytest.mark.parametrize("n_latent", [4, 16])
def test_a_version_answers_with_as_many_latent_features_as_it_was_trained_with(
    client: Client, make_version: Callable[..., ModelVersion], key: dict[str, str], n_latent: int
) -> None:
    table = generate(300, 5, missing_share=0.0).table()
    params = SMALL | {"n_latent": n_latent, "n_epochs": 1}
    trained = train(table, TrainingParams.from_dict(params), seed=5)
    serving.quality.take(make_version(export.export(trained, table.matrix()).data))
    try:
        rows = table.matrix()[:2].astype(float).tolist()
        shots: Shots = [dict(zip(FEATURE_NAMES, row, strict=True)) for row in rows]
        one = client.post(
            "/api/v1/predictions/quality/",
            json.dumps({"features": shots[0]}),
            content_type="application/json",
            headers=key,
        ).json()
        tensors = outputs_of(post(client, whole(shots), key))
        described = client.get(MODEL, headers=key).json()["outputs"]
    finally:
        serving.quality.stop()

    assert len(one["latent_features"]) == n_latent
    assert tensors["latent_features"]["shape"] == [2, n_latent]
    assert tensors["latent_features"]["data"][:n_latent] == one["latent_features"]
    assert described[3]["shape"] == [-1, n_latent]
