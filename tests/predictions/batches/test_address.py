"""The address of predicted files: who may ask, what is refused, how it is followed and fetched."""

import json
import threading
from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client

from portal.core.models import User
from portal.registry.models import ModelVersion
from portal.runs import artifacts
from portal.runs.models import Run
from predictions import tasks
from predictions.engine.features import FEATURE_NAMES
from predictions.models import Dataset
from tests.predictions.batches.files import ADDRESS, Begin, Key, Shots, csv_of, worked

pytestmark = pytest.mark.django_db


def upload(content: bytes, name: str = "shots.csv") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def test_a_file_is_taken_and_its_run_named(
    client: Client, champion: ModelVersion, shots: Shots, make_key: Key
) -> None:
    headers = make_key("predict")

    answer = client.post(ADDRESS, {"file": upload(csv_of(shots[:3]))}, headers=headers)

    run = Run.objects.get(kind=tasks.PREDICT_FILE)
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/api/v1/runs/{run.pk}/"
    assert run.queue == "interactive"
    assert run.parameters["version"] == champion.number
    (listed,) = client.get(ADDRESS, headers=headers).json()["results"]
    assert (listed["id"], listed["state"], listed["input_name"]) == (
        str(run.pk),
        "queued",
        "shots.csv",
    )
    assert (listed["rows"], listed["results"]) == (None, {})


def test_the_same_request_under_one_key_starts_one_run(
    client: Client, champion: ModelVersion, shots: Shots, make_key: Key
) -> None:
    headers = make_key("predict") | {"Idempotency-Key": "file-1"}

    first, again = (
        client.post(ADDRESS, {"file": upload(csv_of(shots[:3]))}, headers=headers) for _ in range(2)
    )
    other = client.post(ADDRESS, {"file": upload(csv_of(shots[1:4]))}, headers=headers)

    assert (first.status_code, again.status_code, other.status_code) == (202, 202, 409)
    assert again.json() == first.json()
    assert Run.objects.filter(kind=tasks.PREDICT_FILE).count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_at_once_under_one_key_start_one_run(
    champion: ModelVersion, shots: Shots, make_key: Key
) -> None:
    headers = make_key("predict") | {"Idempotency-Key": "file-2"}
    content = csv_of(shots[:3])
    statuses: list[int] = []

    def ask() -> None:
        try:
            answer = Client().post(ADDRESS, {"file": upload(content)}, headers=headers)
            statuses.append(answer.status_code)
        finally:
            connection.close()

    asking = [threading.Thread(target=ask) for _ in range(4)]
    for one in asking:
        one.start()
    for one in asking:
        one.join()

    assert set(statuses) <= {202, 409}
    assert 202 in statuses
    assert Run.objects.filter(kind=tasks.PREDICT_FILE).count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_finished_file_is_counted_and_fetched(
    client: Client, begin: Begin, shots: Shots, make_key: Key
) -> None:
    headers = make_key("predict")
    run = begin(csv_of(shots[:4]))
    early = client.get(f"{ADDRESS}{run.pk}/result/", headers=headers)
    worked(run)

    said = client.get(f"{ADDRESS}{run.pk}/", headers=headers).json()

    assert (early.status_code, early.json()["code"]) == (409, "not_finished")
    assert (said["state"], said["rows"], said["ok"], said["invalid"]) == ("succeeded", 4, 4, 0)
    assert said["progress"]["fraction"] == 1.0
    assert set(said["results"]) == {"csv", "parquet"}
    for form, result in said["results"].items():
        answer = client.get(result["url"], headers=headers)
        content = b"".join(answer)
        assert answer.status_code == 200
        assert len(content) == result["size_bytes"]
        assert answer.headers["Content-Disposition"].endswith(f'.{form}"')
    assert client.get(f"{ADDRESS}{run.pk}/result/?form=xlsx", headers=headers).status_code == 422


def test_a_waiting_file_is_stopped_by_who_asked_for_it(
    client: Client, champion: ModelVersion, shots: Shots, make_key: Key
) -> None:
    headers = make_key("predict")
    client.post(ADDRESS, {"file": upload(csv_of(shots[:3]))}, headers=headers)
    run = Run.objects.get(kind=tasks.PREDICT_FILE)

    other = client.post(f"{ADDRESS}{run.pk}/cancel/", headers=make_key("predict", username="else"))
    answer = client.post(f"{ADDRESS}{run.pk}/cancel/", headers=headers)

    assert other.status_code == 403
    assert answer.json()["state"] == "cancelled"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"%PDF-1.7", "PDF"),
        (b"PK\x03\x04 a workbook", "Excel"),
        (b"\x00\x9f\x92\x96 nothing", ""),
        (b"a,b\n1,2\n", "Product_Type is missing"),
        ((",".join(FEATURE_NAMES) + "\n").encode(), "no shots"),
        ((",".join(FEATURE_NAMES[1:]) + "\n" + ",".join(["1"] * 29)).encode(), "Product_Type"),
    ],
)
def test_a_file_that_is_no_table_of_shots_is_refused_at_once(
    client: Client, champion: ModelVersion, make_key: Key, content: bytes, said: str
) -> None:
    answer = client.post(ADDRESS, {"file": upload(content)}, headers=make_key("predict"))

    assert answer.status_code == 422
    assert said in json.dumps(answer.json())
    assert not Run.objects.filter(kind=tasks.PREDICT_FILE).exists()


def test_a_body_without_one_source_is_refused(
    client: Client, champion: ModelVersion, shots: Shots, make_key: Key
) -> None:
    headers = make_key("predict")
    both = {"file": upload(csv_of(shots[:2])), "dataset": 1}

    assert client.post(ADDRESS, {}, headers=headers).status_code == 422
    assert client.post(ADDRESS, both, headers=headers).status_code == 422
    for body in ({"dataset": 99}, {"dataset": 1, "sheet": 2}, {"version": 1}):
        answer = client.post(
            ADDRESS, json.dumps(body), content_type="application/json", headers=headers
        )
        assert answer.status_code == 422


def test_a_version_that_may_not_be_used_is_refused(
    client: Client,
    champion: ModelVersion,
    make_version: Callable[..., ModelVersion],
    shots: Shots,
    make_key: Key,
) -> None:
    bad = make_version()
    ModelVersion.objects.filter(pk=bad.pk).update(state=ModelVersion.State.QUARANTINED)
    content = csv_of(shots[:2])

    statuses = [
        client.post(
            ADDRESS, {"file": upload(content), **words}, headers=make_key("predict")
        ).status_code
        for words in ({"version": bad.number}, {"version": 99}, {"model": "nobody"})
    ]

    assert statuses == [409, 422, 404]


def test_without_a_champion_the_way_out_is_told(
    client: Client, shots: Shots, make_key: Key
) -> None:
    answer = client.post(ADDRESS, {"file": upload(csv_of(shots[:2]))}, headers=make_key("predict"))

    assert (answer.status_code, answer.json()["code"]) == (503, "no_champion")


def test_items_and_routings_are_no_shots(
    client: Client, champion: ModelVersion, make_key: Key
) -> None:
    kept = artifacts.save(b"nothing", "text/plain")
    other = Dataset.objects.create(
        name="Items", kind=Dataset.Kind.ROUTING, artifact=kept, fingerprint="2" * 64, n_rows=1
    )

    answer = client.post(
        ADDRESS,
        json.dumps({"dataset": other.pk}),
        content_type="application/json",
        headers=make_key("predict"),
    )

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "wrong_kind")


def test_a_viewer_looks_and_an_operator_starts(
    client: Client, champion: ModelVersion, shots: Shots
) -> None:
    statuses = {}
    for role in ("viewer", "operator"):
        user = User.objects.create(username=role)
        user.groups.add(Group.objects.get(name=role))
        client.force_login(user)
        looked = client.get(ADDRESS).status_code
        started = client.post(ADDRESS, {"file": upload(csv_of(shots[:2]))}).status_code
        statuses[role] = (looked, started)

    assert statuses == {"viewer": (200, 403), "operator": (200, 202)}
