"""What the open inference protocol v2 refuses, and how it says so."""

import random
from typing import Any

import pytest
from django.test import Client

from portal.registry.models import ModelVersion
from predictions.engine.features import FEATURE_NAMES
from predictions.services import stream
from tests.predictions.v2.asking import (
    INFER,
    Key,
    Shots,
    named,
    outputs_of,
    post,
    whole,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]


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
