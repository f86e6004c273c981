"""Outcomes over HTTP, one, many and in files."""

from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from predictions.models import Outcome
from tests.predictions.feedback.reporting import MANY, NOW, Key, Predict, current, post, report

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]


def test_one_outcome_over_http(client: Client, predict: Predict, make_key: Key) -> None:
    prediction, headers = predict(0.9), make_key("predict")
    address = f"/api/v1/predictions/{prediction}/outcome/"
    body = {"label": "ok", "observed_at": "2026-03-10T13:00:00+00:00"}

    first, again = (post(client, address, body, headers) for _ in range(2))

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first.json()["predicted"] == "defect"
    assert first.json()["agrees"] is False
    assert first.json()["is_current"] is True
    assert post(client, address, {"label": "ok"}, headers).status_code == 200
    assert post(client, address, {"label": "bad"}, headers).status_code == 422
    assert post(client, address, [], headers).status_code == 422
    missing = f"/api/v1/predictions/{uuid4()}/outcome/"
    assert post(client, missing, {"label": "ok"}, headers).status_code == 404


def test_many_outcomes_list_what_was_refused(
    client: Client, predict: Predict, make_key: Key
) -> None:
    good, headers = predict(), make_key("predict", "read")
    items = [report(good), report(uuid4()), {"label": "ok"}, report(good)]

    body = post(client, MANY, {"outcomes": items}, headers).json()

    assert (body["recorded"], body["unchanged"], body["waiting"]) == (1, 1, 0)
    assert [(one["index"], one["code"]) for one in body["errors"]] == [
        (1, "not_found"),
        (2, "missing"),
    ]
    listed = client.get(f"{MANY}?prediction={good}", headers=headers).json()["results"]
    assert [row["label"] for row in listed] == ["ok"]


@pytest.mark.parametrize(
    "body", [{}, [], {"outcomes": {}}, {"outcomes": []}, {"outcomes": [1] * 10_001}]
)
def test_a_body_without_outcomes_is_refused(client: Client, make_key: Key, body: Any) -> None:
    assert post(client, MANY, body, make_key("predict")).status_code == 422


def upload(client: Client, content: bytes, headers: dict[str, str]) -> Any:
    return client.post(MANY, {"file": SimpleUploadedFile("o.csv", content)}, headers=headers)


def test_outcomes_come_in_files_too(
    client: Client, predict: Predict, line: str, make_key: Key
) -> None:
    one, other = predict(), predict(shot=17, principal=line)
    rows = [
        "prediction_id,line,shot,time,label,observed_at",
        f"{one},,,,defect,2026-03-10T13:00:00Z",
        f',line 4,17,{NOW.isoformat()},ok,"2026-03-10T13:00:00Z"',
        ",line 4,,,ok,",
    ]

    body = upload(client, "\ufeff".encode() + "\r\n".join(rows).encode(), make_key("predict"))

    assert body.json()["recorded"] == 2
    assert [error["index"] for error in body.json()["errors"]] == [2]
    assert (current(one).label, current(other).label) == ("defect", "ok")


@pytest.mark.parametrize(
    "content", [b"", b"a,b\n1,2\n", b"label,x\n", b"label\n\xff\xfe", b'label\n"unclosed']
)
def test_a_file_that_is_no_list_of_outcomes_is_refused(
    client: Client, make_key: Key, content: bytes
) -> None:
    answer = upload(client, content, make_key("predict"))

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["file"]
    assert not Outcome.objects.exists()


def test_who_may_report_and_who_may_look(client: Client, predict: Predict, make_key: Key) -> None:
    body = {"outcomes": [report(predict())]}

    assert post(client, MANY, body, make_key("read")).status_code == 403
    assert client.get(MANY, headers=make_key("predict")).status_code == 403
    assert client.get(MANY, headers=make_key("read")).status_code == 200
    assert post(client, MANY, body, {}).status_code == 401
