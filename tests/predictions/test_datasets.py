"""Importing data sets: by service, over HTTP and from the command line."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from portal.core.actors import Actor
from portal.core.errors import Conflict, InvalidInput
from portal.core.models import AuditEntry, User
from predictions.engine import tables
from predictions.engine.generator import generate
from predictions.models import Dataset
from predictions.services import datasets

ADDRESS = "/api/v1/datasets/"
ACTOR = Actor.system("test")

pytestmark = pytest.mark.django_db

Key = Callable[..., dict[str, str]]


@pytest.fixture(scope="session")
def csv() -> bytes:
    return generate(300, 5).to_csv()


def imported(content: bytes, **changes: Any) -> Dataset:
    given: dict[str, Any] = {"source": io.BytesIO(content), "name": "Shots", "actor": ACTOR}
    return datasets.import_dataset(**(given | changes))


def test_an_imported_data_set_tells_its_content(csv: bytes) -> None:
    dataset = imported(csv)

    assert dataset.n_rows == 300
    assert len(dataset.fingerprint) == 64
    assert dataset.profile["is_labelled"] is True
    assert {column["role"] for column in dataset.schema} >= {"feature", "flag", "label"}
    assert AuditEntry.objects.get(action="dataset.import").target == f"dataset {dataset.pk}"


def test_generated_shots_are_marked_whoever_imports_them(csv: bytes) -> None:
    assert imported(csv).is_synthetic
    assert not imported(csv.replace(b",synthetic", b",press-4")).is_synthetic


def test_what_is_loaded_is_what_was_imported(csv: bytes) -> None:
    dataset = imported(csv)

    table = datasets.load(dataset)

    assert table.data.equals(tables.read_table(io.BytesIO(csv)).data)


def test_the_same_shots_in_another_format_are_the_same_data_set(csv: bytes, tmp_path: Path) -> None:
    first = imported(csv)
    path = tmp_path / "same.parquet"
    tables.write_parquet(tables.read_table(io.BytesIO(csv)), path)

    with pytest.raises(Conflict, match=f"data set {first.pk}, “Shots”"):
        datasets.import_dataset(source=path, name="Again", actor=ACTOR)


def test_a_duplicate_is_welcome_when_allowed(csv: bytes) -> None:
    first = imported(csv)

    second = imported(csv, allow_duplicate=True)

    assert second.copy_of == first
    assert second.artifact_id == first.artifact_id


def test_every_problem_of_a_file_is_named(csv: bytes) -> None:
    lines = csv.decode().splitlines()
    cells = lines[2].split(",")
    cells[3] = "fast"
    lines[2] = ",".join(cells)

    with pytest.raises(InvalidInput) as caught:
        imported("\n".join(lines).encode())

    assert caught.value.problems[0].code == "cell_not_a_number"
    assert "fast" in caught.value.problems[0].message
    assert not Dataset.objects.exists()


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"name": "  "}, "name"), ({"name": "x" * 201}, "name"), ({"kind": "fish"}, "kind")],
)
def test_a_bad_form_is_refused(csv: bytes, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        imported(csv, **changes)

    assert caught.value.problems[0].field == field


def test_a_file_beyond_the_limit_is_refused(csv: bytes, settings: Settings) -> None:
    settings.MAX_DATASET_BYTES = len(csv) - 1

    with pytest.raises(InvalidInput, match="MILLWRIGHT_MAX_DATASET_BYTES"):
        imported(csv)


# --- HTTP ---------------------------------------------------------------------------------------
def upload(client: Client, content: bytes, headers: dict[str, str], **fields: Any) -> Any:
    form = {"file": SimpleUploadedFile("shots.csv", content), "name": "Shots", **fields}
    return client.post(ADDRESS, form, headers=headers)


def test_an_upload_is_answered_with_schema_and_profile(
    client: Client, csv: bytes, make_key: Key
) -> None:
    headers = make_key("train", "read")

    answer = upload(client, csv, headers, kind="diecasting-quality")

    body = answer.json()
    assert answer.status_code == 201
    assert body["rows"] == 300
    assert body["fingerprint"] == Dataset.objects.get().fingerprint
    assert len(body["schema"]) == len(Dataset.objects.get().schema)
    assert body["profile"]["defect_share"] > 0
    assert body["source_name"] == "shots.csv"
    assert client.get(answer.headers["Location"], headers=headers).json() == body
    assert client.get(ADDRESS, headers=headers).json()["results"][0]["id"] == body["id"]


def test_an_upload_repeated_under_one_idempotency_key_imports_once(
    client: Client, csv: bytes, make_key: Key
) -> None:
    headers = make_key("train") | {"Idempotency-Key": "one"}

    first, again = upload(client, csv, headers), upload(client, csv, headers)

    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert Dataset.objects.count() == 1


def test_a_misspelt_field_of_an_upload_is_refused(
    client: Client, csv: bytes, make_key: Key
) -> None:
    answer = upload(client, csv, make_key("train"), alow_duplicate="true")

    assert [item["field"] for item in answer.json()["errors"]] == ["alow_duplicate"]
    assert not Dataset.objects.exists()


def test_the_same_content_again_is_a_conflict(client: Client, csv: bytes, make_key: Key) -> None:
    headers = make_key("train")
    upload(client, csv, headers)

    answer = upload(client, csv, headers, name="Again")

    assert answer.status_code == 409
    assert answer.json()["code"] == "dataset_exists"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04rubbish", b"a,b\n1,2\n", b"\xff\xfe\x00"])
def test_a_file_that_is_no_table_is_unprocessable(
    client: Client, content: bytes, make_key: Key
) -> None:
    answer = upload(client, content, make_key("train"))

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["message"]


def test_who_may_import(client: Client, csv: bytes, make_key: Key) -> None:
    assert upload(client, csv, {}).status_code == 401
    assert upload(client, csv, make_key("read", "predict")).status_code == 403
    for role, status in (("viewer", 403), ("approver", 403), ("operator", 201)):
        user = User.objects.create(username=role)
        user.groups.add(Group.objects.get(name=role))
        client.force_login(user)
        assert upload(client, csv, {}).status_code == status
    assert Dataset.objects.get().created_by == user


# --- Command line -------------------------------------------------------------------------------
def run(*words: Any, **options: Any) -> str:
    output = io.StringIO()
    call_command(*words, stdout=output, **options)
    return output.getvalue()


def test_the_command_prints_the_profile(csv: bytes, tmp_path: Path) -> None:
    path = tmp_path / "shots.csv"
    path.write_bytes(csv)

    said = run("import_dataset", str(path), name="By hand")

    assert "Casting_Pressure" in said
    assert "Imported “By hand” as data set" in said
    assert "of them are defects" in said


def test_the_command_names_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "shots.csv"
    path.write_text("a,b\n1,2\n")

    with pytest.raises(CommandError, match="The column Product_Type is missing"):
        run("import_dataset", str(path))
    with pytest.raises(CommandError, match="cannot be read"):
        run("import_dataset", str(tmp_path / "nothing.csv"))
    with pytest.raises(CommandError, match="no active account"):
        run("import_dataset", str(path), user="nobody")


def test_the_profile_is_plain_json(csv: bytes) -> None:
    assert json.loads(json.dumps(imported(csv).profile, allow_nan=False))
