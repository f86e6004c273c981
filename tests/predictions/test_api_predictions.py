"""The prediction addresses: what they answer, what they refuse, what is on record after."""

import io
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
import redis
from django.contrib.auth.models import Group
from django.test import Client
from pytest_django import Settings

from portal.core.api import lane
from portal.core.models import User
from portal.registry.models import ModelVersion
from predictions.models import Prediction
from predictions.services import recording, stream
from predictions.services.recorder import Recorder
from tests.predictions.conftest import SmallModel

SINGLE = "/api/v1/predictions/quality/"
BATCH = "/api/v1/predictions/quality/batch/"
HISTORY = "/api/v1/predictions/"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]

Shots = list[dict[str, float | None]]
Key = Callable[..., dict[str, str]]


@pytest.fixture(autouse=True)
def fresh_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "_redis_paused_until", 0.0)
    monkeypatch.setattr(recording, "tail", recording.Tail())


def post(client: Client, path: str, body: Any, headers: dict[str, str]) -> Any:
    return client.post(path, json.dumps(body), content_type="application/json", headers=headers)


def record_all() -> None:
    recorder = Recorder("test")
    while recorder.turn() or stream.waiting():
        pass


def test_a_shot_is_answered_in_the_contract_s_shape(
    client: Client,
    champion: ModelVersion,
    shots: Shots,
    make_key: Key,
    small_model: SmallModel,
) -> None:
    answer = post(client, SINGLE, {"features": shots[0]}, make_key("predict"))

    body = answer.json()
    assert answer.status_code == 200
    assert set(body) == {
        "prediction_id",
        "prediction",
        "latent_features",
        "processing_time_ms",
        "model_version",
    }
    assert set(body["prediction"]) == {"class", "probability", "confidence"}
    assert body["prediction"]["class"] in {"defect", "ok"}
    assert body["prediction"]["confidence"] in {"high", "medium", "low"}
    assert len(body["latent_features"]) == 12
    assert body["model_version"] == champion.number
    assert UUID(body["prediction_id"]).version == 7


def test_the_lane_and_django_answer_alike(
    client: Client, champion: ModelVersion, shots: Shots, make_key: Key
) -> None:
    headers = make_key("predict") | {"X-Request-ID": "same-one"}
    environ: dict[str, Any] = {}
    ordinary = post(client, SINGLE, {"features": {"Shot": 1}}, headers)
    assert SINGLE in lane._views

    def start(status: str, sent: list[tuple[str, str]]) -> None:
        environ["status"], environ["headers"] = status, dict(sent)

    request = client._base_environ(  # type: ignore[attr-defined]  # the raw environ
        PATH_INFO=SINGLE,
        REQUEST_METHOD="POST",
        CONTENT_TYPE="application/json",
        HTTP_AUTHORIZATION=headers["Authorization"],
        HTTP_X_REQUEST_ID="same-one",
    )
    body = json.dumps({"features": {"Shot": 1}}).encode()
    request |= {"CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)}
    content = b"".join(lane.before(_never)(request, start))

    assert environ["status"] == "422 Unprocessable Entity"
    assert content == ordinary.content
    for name in ("Content-Type", "Cache-Control", "X-Request-ID", "X-Content-Type-Options"):
        assert environ["headers"][name] == ordinary.headers[name]


def _never(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    raise AssertionError("the lane did not answer")


def test_an_answered_prediction_is_found_at_once_and_later(
    client: Client, champion: ModelVersion, shots: Shots, make_key: Key
) -> None:
    headers = make_key("predict", "read")
    said = post(client, SINGLE, {"features": shots[0]}, headers).json()
    address = f"{HISTORY}{said['prediction_id']}/"

    from_stream = client.get(address, headers=headers).json()
    record_all()
    from_table = client.get(address, headers=headers).json()

    assert from_stream == from_table
    assert from_table["prediction"] == said["prediction"]
    assert from_table["latent_features"] == said["latent_features"]
    assert from_table["features"] == shots[0]
    assert from_table["model_version"] == champion.number


def test_a_prediction_is_kept_at_a_whole_microsecond(
    client: Client,
    champion: ModelVersion,
    shots: Shots,
    make_key: Key,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    headers = make_key("predict", "read")
    between_two = 1795259441.7222645  # Postgres rounds it down, Python up
    with monkeypatch.context() as patched:
        patched.setattr(time, "time", lambda: between_two)
        post(client, SINGLE, {"features": shots[0]}, headers)
    record_all()

    assert Prediction.objects.get().at == datetime.fromtimestamp(round(between_two, 6), UTC)


def test_record_false_leaves_no_trace(
    client: Client, champion: ModelVersion, shots: Shots, make_key: Key
) -> None:
    answer = post(client, f"{SINGLE}?record=false", {"features": shots[0]}, make_key("predict"))

    assert answer.json()["prediction_id"] is None
    assert stream.waiting() == 0


def test_every_offending_feature_is_named_with_value_and_rule(
    client: Client, champion: ModelVersion, shots: Shots, make_key: Key
) -> None:
    features: dict[str, Any] = shots[0] | {
        "Velocity_1": 99.5,
        "Velocity_2": "fast",
        "Velocty_3": 1.0,
    }
    del features["Velocity_3"]

    answer = post(client, SINGLE, {"features": features}, make_key("predict"))

    problems = {item["field"]: item for item in answer.json()["errors"]}
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert set(problems) == {"Velocity_1", "Velocity_2", "Velocity_3", "Velocty_3"}
    assert "99.5" in problems["Velocity_1"]["message"]
    assert "between" in problems["Velocity_1"]["message"]
    assert "'fast'" in problems["Velocity_2"]["message"]
    assert "Velocity_3" in problems["Velocty_3"]["message"]
    assert stream.waiting() == 0


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ([], 422),
        ({"features": []}, 422),
        ({"features": {}, "more": 1}, 422),
        ({"features": {}}, 422),
    ],
)
def test_a_body_of_another_shape_is_refused(
    client: Client, champion: ModelVersion, make_key: Key, body: Any, status: int
) -> None:
    assert post(client, SINGLE, body, make_key("predict")).status_code == status


@pytest.mark.parametrize("text", ['{"features": {"Shot": NaN}}', "{", '{"a": 1, "a": 2}'])
def test_json_that_two_readers_could_read_differently_is_refused(
    client: Client, make_key: Key, text: str
) -> None:
    answer = client.post(SINGLE, text, content_type="application/json", headers=make_key("predict"))

    assert answer.status_code == 400


def test_callers_without_the_scope_or_a_key_are_refused(
    client: Client, champion: ModelVersion, shots: Shots, make_key: Key
) -> None:
    body = {"features": shots[0]}

    assert post(client, SINGLE, body, {}).status_code == 401
    assert post(client, SINGLE, body, make_key("read")).status_code == 403
    assert client.get(HISTORY, headers=make_key("predict")).status_code == 403


def test_a_viewer_s_session_may_predict_and_a_stranger_s_not(
    client: Client, champion: ModelVersion, shots: Shots
) -> None:
    viewer = User.objects.create(username="viewer")
    viewer.groups.add(Group.objects.get(name="viewer"))
    client.force_login(viewer)
    allowed = post(client, SINGLE, {"features": shots[0]}, {})
    client.force_login(User.objects.create(username="stranger"))
    refused = post(client, SINGLE, {"features": shots[0]}, {})

    assert (allowed.status_code, refused.status_code) == (200, 403)


@pytest.mark.django_db(transaction=True)
def test_without_a_champion_the_way_out_is_told(
    client: Client, make_key: Key, shots: Shots
) -> None:
    from predictions.services import serving  # noqa: PLC0415 - only this test stops it

    try:
        answer = post(client, SINGLE, {"features": shots[0]}, make_key("predict"))
    finally:
        serving.quality.stop()

    assert answer.status_code == 503
    assert answer.json()["code"] == "no_champion"
    assert "train a version" in answer.json()["detail"]


def test_repeating_an_idempotency_key_repeats_the_answer_and_records_once(
    client: Client, champion: ModelVersion, shots: Shots, make_key: Key
) -> None:
    headers = make_key("predict") | {"Idempotency-Key": "shot-1"}

    first = post(client, SINGLE, {"features": shots[0]}, headers)
    again = post(client, SINGLE, {"features": shots[0]}, headers)
    other = post(client, SINGLE, {"features": shots[1]}, headers)

    assert again.content == first.content
    assert again.headers["Idempotency-Replayed"] == "true"
    assert other.status_code == 409
    assert stream.waiting() == 1


def test_a_batch_is_answered_in_order_and_recorded_whole(
    client: Client, champion: ModelVersion, shots: Shots, make_key: Key
) -> None:
    headers = make_key("predict")
    single = post(client, f"{SINGLE}?record=false", {"features": shots[7]}, headers).json()

    answer = post(client, BATCH, {"instances": shots[:250]}, headers)
    record_all()

    body = answer.json()
    assert answer.status_code == 200
    assert len(body["predictions"]) == 250
    assert body["predictions"][7]["prediction"] == single["prediction"]
    ids = {row["prediction_id"] for row in body["predictions"]}
    assert {str(pk) for pk in Prediction.objects.values_list("id", flat=True)} == ids


def test_ten_thousand_rows_are_answered_at_once_and_one_more_is_refused(
    client: Client, champion: ModelVersion, shots: Shots, make_key: Key
) -> None:
    many = (shots * (10_001 // len(shots) + 1))[:10_001]
    headers = make_key("predict")

    most = post(client, f"{BATCH}?record=false", {"instances": many[:10_000]}, headers)
    more = post(client, f"{BATCH}?record=false", {"instances": many}, headers)

    assert len(most.json()["predictions"]) == 10_000
    assert more.status_code == 422
    assert "10001" in more.json()["detail"]


def test_a_bad_row_of_a_batch_is_named_by_its_position(
    client: Client, champion: ModelVersion, shots: Shots, make_key: Key
) -> None:
    rows = [shots[0], shots[1] | {"Velocity_1": -5.0}]

    answer = post(client, BATCH, {"instances": rows}, make_key("predict"))

    assert answer.status_code == 422
    assert [item["field"] for item in answer.json()["errors"]] == ["instances[1].Velocity_1"]


def test_history_is_filtered_and_paged(
    client: Client,
    champion: ModelVersion,
    shots: Shots,
    make_key: Key,
    settings: Settings,
    redis_client: redis.Redis,
) -> None:
    settings.STRICT_RECORDING = True
    headers = make_key("predict", "read")
    post(client, BATCH, {"instances": shots[:30]}, headers)
    n_defects = Prediction.objects.filter(predicted_class="defect").count()

    def page(query: str) -> Any:
        return client.get(f"{HISTORY}?{query}", headers=headers).json()

    first = page("limit=20")
    second = page(f"limit=20&cursor={first['next_cursor']}")
    seen = {row["prediction_id"] for row in first["results"] + second["results"]}
    assert len(seen) == 30
    assert second["next_cursor"] is None
    assert len(page("class=defect&limit=100")["results"]) == n_defects
    assert page(f"model_version={champion.number + 1}")["results"] == []
    assert page("min_probability=1.1")["results"] == []
    assert client.get(f"{HISTORY}?klass=ok", headers=headers).status_code == 422


def test_a_page_of_history_takes_few_queries(
    client: Client,
    champion: ModelVersion,
    shots: Shots,
    make_key: Key,
    settings: Settings,
    django_assert_max_num_queries: Any,
) -> None:
    settings.STRICT_RECORDING = True
    headers = make_key("predict", "read")
    post(client, BATCH, {"instances": shots[:30]}, headers)

    with django_assert_max_num_queries(3):
        client.get(HISTORY, headers=headers)


def test_an_unknown_prediction_is_a_problem(client: Client, make_key: Key) -> None:
    address = f"{HISTORY}0190a5a4-7000-7000-8000-000000000000/"

    answer = client.get(address, headers=make_key("read"))

    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"
