"""The open inference protocol v2: its forms, its errors, the same rules and records behind it."""

import json
import random
import struct
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from portal.core.actors import Actor
from portal.core.models import User
from portal.registry import services as registry
from portal.registry.models import Alias, ModelVersion, RegisteredModel
from predictions.engine import export
from predictions.engine.features import FEATURE_NAMES
from predictions.engine.generator import generate
from predictions.engine.parameters import TrainingParams
from predictions.engine.training import train
from predictions.models import Prediction
from predictions.services import inference, recording, serving, stream
from predictions.services.quality_inference import QualityInference
from predictions.services.recorder import Recorder
from tests.predictions.conftest import SMALL

MODEL = "/v2/models/diecasting-quality"
INFER = f"{MODEL}/infer"
OUTPUTS = ["probability", "class", "confidence", "latent_features", "prediction_id"]
LENGTH = "Inference-Header-Content-Length"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]

Shots = list[dict[str, float | None]]
Key = Callable[..., dict[str, str]]


@pytest.fixture(autouse=True)
def fresh_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "_redis_paused_until", 0.0)
    monkeypatch.setattr(recording, "tail", recording.Tail())


@pytest.fixture
def key(make_key: Key) -> dict[str, str]:
    return make_key("predict")


@pytest.fixture
def point(db: None) -> Iterator[Callable[[str, ModelVersion], None]]:
    """Give ``point("shadow", version)``: points an alias at a version."""
    user = User.objects.create(username="pointer")
    user.user_permissions.add(Permission.objects.get(codename="request_promotion"))

    def assign(alias: str, version: ModelVersion) -> None:
        registry.assign_alias(
            model=version.model,
            alias=alias,
            version=version,
            reason="a test",
            actor=Actor.of_user(user, via="person"),
        )

    yield assign
    serving.quality.stop()


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


# --- Refusals -------------------------------------------------------------------------------------
def test_without_a_key_or_its_scope_the_protocol_s_error_is_answered(
    client: Client, champion: ModelVersion, make_key: Key, shots: Shots
) -> None:
    none, wrong = (
        post(client, whole(shots[:1]), {}),
        post(client, whole(shots[:1]), make_key("read")),
    )

    assert (none.status_code, wrong.status_code) == (401, 403)
    assert "Bearer" in none.headers["WWW-Authenticate"]
    assert set(none.json()) == set(wrong.json()) == {"error"}


@pytest.mark.parametrize("address", ["/v2/", "/v2/nothing", "/v2/models", f"{INFER}/", "/v2/x/y"])
def test_other_addresses_are_not_found_in_the_protocol_s_form(client: Client, address: str) -> None:
    answer = client.post(address, "{}", content_type="application/json")

    assert (answer.status_code, set(answer.json())) == (404, {"error"})


def test_another_method_is_refused(client: Client, key: dict[str, str]) -> None:
    answer = client.get(INFER, headers=key)

    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert client.post("/v2/health/live").status_code in {403, 405}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"shape": [2, 30]}, "do not fit the shape"),
        ({"shape": [1, 29]}, "do not fit the shape"),
        ({"shape": [30]}, "do not fit the shape"),
        ({"shape": [-1, 30]}, "none negative"),
        ({"shape": [1.0, 30]}, "whole numbers"),
        ({"shape": [True, 30]}, "whole numbers"),
        ({"shape": []}, "1 to 8"),
        ({"shape": [2**63, 2**63]}, "do not fit the shape"),
        ({"shape": [2**64, 30]}, "whole numbers"),
        ({"shape": [1] * 9}, "1 to 8"),
        ({"shape": "1,30"}, "whole numbers"),
        ({"shape": None}, "whole numbers"),
        ({"datatype": "INT64"}, "FP32 or FP64"),
        ({"datatype": "BYTES"}, "FP32 or FP64"),
        ({"datatype": 64}, "FP32 or FP64"),
        ({"data": [[1.0] * 29]}, "do not fit the shape"),
        ({"data": [[1.0] * 30, [1.0]]}, "do not fit the shape"),
        ({"data": [[[1.0]] * 30]}, "do not fit the shape"),
        ({"data": [["a"] * 30]}, "plain numbers"),
        ({"data": [[True] * 30]}, "plain numbers"),
        ({"data": [[{}] * 30]}, "plain numbers"),
        ({"data": {"0": 1}}, "do not fit the shape"),
        ({"data": None}, "do not fit the shape"),
        ({"data": [[10**400] * 30]}, "finite"),
        ({"data": [[1e300] * 30]}, "between"),
        ({"data": [[None] * 30]}, "null"),
        ({"shape": [0, 30], "data": []}, "1 to 10000"),
        ({"name": "feature"}, "is not an input"),
        ({"parameters": []}, "must be an object"),
        ({"parameters": {"binary_data_size": 240}, "data": None}, "bytes"),
    ],
)
def test_a_tensor_that_breaks_a_rule_is_refused_with_what_was_seen(
    client: Client,
    champion: ModelVersion,
    key: dict[str, str],
    shots: Shots,
    change: dict[str, Any],
    said: str,
) -> None:
    answer = post(client, whole(shots[:1], **change), key)

    assert (answer.status_code, set(answer.json())) == (400, {"error"})
    assert said in answer.json()["error"]
    assert stream.waiting() == 0


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "{}",
        "1",
        '{"inputs": NaN}',
        '{"inputs": []}',
        '{"inputs": {}}',
        '{"inputs": [1]}',
        '{"inputs": [{"name": 1}]}',
        '{"inputs": [{"name": "features", "shape": [1, 30], "datatype": "FP64", "data": [NaN]}]}',
        '{"inputs": [{"name": "a"}, {"name": "a"}]}',
        '{"id": 5, "inputs": [{"name": "features"}]}',
        '{"inputs": [{"name": "features"}], "outputs": 1}',
        b"\xff\xfe",
        "[" * 200,
    ],
)
def test_a_body_of_another_shape_is_refused(
    client: Client, champion: ModelVersion, key: dict[str, str], body: Any
) -> None:
    answer = post(client, body, key)

    assert (answer.status_code, set(answer.json())) == (400, {"error"})


def test_a_missing_or_repeated_or_uneven_input_is_named(
    client: Client, champion: ModelVersion, key: dict[str, str], shots: Shots
) -> None:
    body = named(shots[:2])
    missing = {"inputs": body["inputs"][1:]}
    both = {"inputs": [*body["inputs"], *whole(shots[:2])["inputs"]]}
    uneven = {"inputs": [*body["inputs"][:-1], body["inputs"][-1] | {"shape": [1], "data": [1.0]}]}

    assert FEATURE_NAMES[0] in post(client, missing, key).json()["error"]
    assert "alone" in post(client, both, key).json()["error"]
    assert "1 to 2 rows" in post(client, uneven, key).json()["error"]


def test_an_unknown_output_is_refused_before_anything_is_recorded(
    client: Client, champion: ModelVersion, key: dict[str, str], shots: Shots
) -> None:
    answer = post(client, whole(shots[:1]) | {"outputs": [{"name": "odds"}]}, key)

    assert answer.status_code == 400
    assert "prediction_id" in answer.json()["error"]
    assert stream.waiting() == 0


def test_a_value_out_of_range_is_named_by_row_and_feature(
    client: Client, champion: ModelVersion, key: dict[str, str], shots: Shots
) -> None:
    answer = post(client, whole([shots[0], shots[1] | {"Velocity_1": 99.5}]), key)

    assert answer.status_code == 400
    assert "features[1].Velocity_1" in answer.json()["error"]
    assert "99.5" in answer.json()["error"]


def test_more_than_ten_thousand_rows_are_refused(
    client: Client, champion: ModelVersion, key: dict[str, str], shots: Shots
) -> None:
    many = (shots * (10_001 // len(shots) + 1))[:10_001]

    most = post(client, whole(many[:10_000]) | {"parameters": {"record": False}}, key)
    more = post(client, whole(many) | {"parameters": {"record": False}}, key)

    assert len(outputs_of(most)["class"]["data"]) == 10_000
    assert more.status_code == 400


@pytest.mark.parametrize("headers", [{"Content-Type": "text/plain"}, {"Content-Encoding": "gzip"}])
def test_another_media_type_or_coding_is_refused(
    client: Client, champion: ModelVersion, key: dict[str, str], headers: dict[str, str]
) -> None:
    kind = headers.get("Content-Type", "application/json")
    others = {name: value for name, value in headers.items() if name != "Content-Type"}

    answer = client.post(INFER, b"{}", content_type=kind, headers=key | others)

    assert (answer.status_code, set(answer.json())) == (415, {"error"})


def test_no_random_body_makes_an_error_of_ours(
    client: Client, champion: ModelVersion, key: dict[str, str], shots: Shots
) -> None:
    draw = random.Random(7)  # noqa: S311 - chooses bodies
    odd: list[Any] = [None, -1, 0, 1.5, "", "x", [], {}, True, 2**70, [[]], {"a": [1]}]

    def mangled(value: Any) -> Any:
        if draw.random() < 0.08:
            return draw.choice(odd)
        if isinstance(value, dict):
            return {name: mangled(inner) for name, inner in value.items() if draw.random() > 0.03}
        if isinstance(value, list):
            return [mangled(inner) for inner in value if draw.random() > 0.01]
        return value

    body = whole(shots[:2]) | {"id": "1", "outputs": [{"name": "class"}], "parameters": {}}
    answers = [post(client, mangled(body), key) for _ in range(150)]

    assert {answer.status_code for answer in answers} <= {200, 400}
    assert all("error" in one.json() for one in answers if one.status_code == 400)


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
