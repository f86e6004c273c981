"""The open inference protocol v2: its forms, the same rules and records behind it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from portal.registry import services as registry
from portal.registry.models import Alias, ModelVersion, RegisteredModel
from predictions.engine.features import FEATURE_NAMES
from predictions.models import Prediction
from predictions.services import inference, serving, stream
from predictions.services.quality_inference import QualityInference
from tests.predictions.v2.asking import (
    MODEL,
    OUTPUTS,
    Shots,
    named,
    outputs_of,
    post,
    record_all,
    rows_of,
    whole,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]


# --- Health and metadata --------------------------------------------------------------------------
# Asking for readiness starts to follow the alias in a thread, which must see the champion as well:
# hence the transactions that really are committed.
@pytest.mark.django_db(transaction=True)
def test_health_needs_no_key_and_says_live_and_ready(
    client: Client, champion: ModelVersion
) -> None:
    live, ready = client.get("/v2/health/live"), client.get("/v2/health/ready")

    assert (live.status_code, live.json()) == (200, {"live": True})
    assert (ready.status_code, ready.json()["ready"]) == (200, True)


@pytest.mark.django_db(transaction=True)
def test_without_a_champion_nothing_is_ready_and_inference_says_the_way_out(
    client: Client, key: dict[str, str], shots: Shots
) -> None:
    registry.ensure_model(name="diecasting-quality", family="quality", title="Quality")
    try:
        ready = client.get("/v2/health/ready")
        model_ready = client.get(f"{MODEL}/ready", headers=key)
        answer = post(client, whole(shots[:1]), key)
    finally:
        serving.quality.stop()

    assert (ready.status_code, ready.json()["ready"]) == (503, False)
    assert (model_ready.status_code, model_ready.json()["ready"]) == (503, False)
    assert answer.status_code == 503
    assert set(answer.json()) == {"error"}
    assert "train a version" in answer.json()["error"]


@pytest.mark.django_db(transaction=True)
def test_a_model_without_a_champion_does_not_make_the_server_unready(
    client: Client, champion: ModelVersion, key: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    RegisteredModel.objects.create(name="untrained", family="quality", title="Later")
    adapter = QualityInference()
    monkeypatch.setitem(inference._adapters, adapter.family, adapter)
    try:
        of_model = client.get("/v2/models/untrained/ready", headers=key)
        of_server = client.get("/v2/health/ready")
    finally:
        adapter.stop()

    assert (of_model.status_code, of_server.status_code) == (503, 200)


def test_the_server_is_described(client: Client, key: dict[str, str]) -> None:
    said = client.get("/v2", headers=key).json()

    assert said["name"] == "millwright"
    assert "binary_tensor_data" in said["extensions"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("of_version", [False, True])
def test_a_model_is_described_with_its_tensors_and_the_order_of_features(
    client: Client, champion: ModelVersion, key: dict[str, str], of_version: bool
) -> None:
    address = f"{MODEL}/versions/{champion.number}" if of_version else MODEL

    said = client.get(address, headers=key).json()

    assert said["name"] == "diecasting-quality"
    assert said["versions"] == [str(champion.number)]
    assert said["platform"] == "onnxruntime_onnx"
    assert said["inputs"] == [{"name": "features", "datatype": "FP64", "shape": [-1, 30]}]
    assert [output["name"] for output in said["outputs"]] == OUTPUTS
    assert said["outputs"][3]["shape"] == [-1, 12]
    assert said["parameters"]["feature_order"] == ",".join(FEATURE_NAMES)
    assert client.get(f"{address}/ready", headers=key).json()["ready"] is True


# --- Inference ------------------------------------------------------------------------------------
@pytest.mark.parametrize("form", [whole, named])
def test_tensors_are_answered_as_the_portal_s_own_batch_is(
    client: Client,
    champion: ModelVersion,
    key: dict[str, str],
    shots: Shots,
    form: Callable[[Shots], dict[str, Any]],
) -> None:
    own = client.post(
        "/api/v1/predictions/quality/batch/?record=false",
        json.dumps({"instances": shots[:5]}),
        content_type="application/json",
        headers=key,
    ).json()["predictions"]

    answer = post(client, form(shots[:5]) | {"id": "shift-7"}, key)

    said, tensors = answer.json(), outputs_of(answer)
    assert (answer.status_code, said["id"]) == (200, "shift-7")
    assert (said["model_name"], said["model_version"]) == (
        "diecasting-quality",
        str(champion.number),
    )
    assert said["parameters"]["role"] == "champion"
    assert list(tensors) == OUTPUTS
    assert tensors["probability"]["shape"] == [5]
    assert tensors["probability"]["data"] == [row["prediction"]["probability"] for row in own]
    assert tensors["class"]["data"] == [row["prediction"]["class"] for row in own]
    assert tensors["latent_features"]["shape"] == [5, 12]
    assert tensors["latent_features"]["data"][12:24] == own[1]["latent_features"]


def test_the_predictions_are_recorded_under_the_ids_answered(
    client: Client, champion: ModelVersion, key: dict[str, str], shots: Shots
) -> None:
    ids = outputs_of(post(client, whole(shots[:3]), key))["prediction_id"]["data"]
    record_all()

    rows = {str(row.pk): row for row in Prediction.objects.all()}
    assert sorted(rows) == sorted(ids)
    assert [rows[one].features for one in ids] == shots[:3]


def test_flat_data_are_rows_one_after_the_other(
    client: Client, champion: ModelVersion, key: dict[str, str], shots: Shots
) -> None:
    nested = whole(shots[:4])
    flat = whole(shots[:4], data=[value for row in rows_of(shots[:4]) for value in row])

    first, second = (outputs_of(post(client, body, key)) for body in (nested, flat))

    assert first["probability"] == second["probability"]


def test_only_the_outputs_asked_for_come_and_in_that_order(
    client: Client, champion: ModelVersion, key: dict[str, str], shots: Shots
) -> None:
    wanted = [{"name": "class"}, {"name": "probability", "parameters": None}]

    answer = post(client, whole(shots[:1]) | {"outputs": wanted, "parameters": None}, key)

    assert list(outputs_of(answer)) == ["class", "probability"]
    assert "id" not in answer.json()


def test_a_record_is_left_out_when_the_caller_says_so(
    client: Client, champion: ModelVersion, key: dict[str, str], shots: Shots
) -> None:
    answer = post(client, whole(shots[:2]) | {"parameters": {"record": False}}, key)

    assert outputs_of(answer)["prediction_id"]["data"] == ["", ""]
    assert stream.waiting() == 0


def test_an_idempotency_key_repeats_the_answer_and_records_once(
    client: Client, champion: ModelVersion, key: dict[str, str], shots: Shots
) -> None:
    headers = key | {"Idempotency-Key": "one"}

    first, again = (post(client, whole(shots[:2]), headers) for _ in range(2))
    other = post(client, whole(shots[1:3]), headers)

    assert again.content == first.content
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (other.status_code, set(other.json())) == (409, {"error"})
    assert stream.waiting() == 1


# --- Versions -------------------------------------------------------------------------------------
def test_every_version_with_an_alias_is_asked_for_by_its_number(
    client: Client,
    champion: ModelVersion,
    make_version: Callable[..., ModelVersion],
    point: Callable[[str, ModelVersion], None],
    key: dict[str, str],
    shots: Shots,
) -> None:
    second, third, fourth = (make_version() for _ in range(3))
    point(Alias.CHALLENGER, second)
    point(Alias.SHADOW, third)

    for version in (champion, second, third):
        answer = post(client, whole(shots[:1]), key, f"{MODEL}/versions/{version.number}/infer")
        assert answer.status_code == 200
        assert answer.json()["model_version"] == str(version.number)
        assert answer.json()["parameters"]["role"] == "named"
    said = client.get(MODEL, headers=key).json()
    assert said["versions"] == [str(one.number) for one in (champion, second, third)]
    not_live = post(client, whole(shots[:1]), key, f"{MODEL}/versions/{fourth.number}/infer")
    assert not_live.status_code == 409
    assert "challenger or shadow" in not_live.json()["error"]
    record_all()
    assert set(Prediction.objects.values_list("role", flat=True)) == {"named"}


@pytest.mark.parametrize("number", ["99", "0", "x", "-1", "1.0", "\uff19", "9" * 40])
def test_a_version_that_does_not_exist_is_not_found(
    client: Client, champion: ModelVersion, key: dict[str, str], shots: Shots, number: str
) -> None:
    answer = post(client, whole(shots[:1]), key, f"{MODEL}/versions/{number}/infer")

    assert answer.status_code == 404
    assert set(answer.json()) == {"error"}


def test_an_unknown_model_is_not_found(client: Client, key: dict[str, str]) -> None:
    answer = client.get("/v2/models/nobody", headers=key)

    assert (answer.status_code, set(answer.json())) == (404, {"error"})


def test_a_family_without_tensors_says_where_to_ask(client: Client, key: dict[str, str]) -> None:
    RegisteredModel.objects.create(name="no-tensors", family="elsewhere", title="Other")

    for address in ("", "/ready"):
        answer = client.get(f"/v2/models/no-tensors{address}", headers=key)
        assert answer.status_code == 400
        assert "/api/v1/predictions/" in answer.json()["error"]
