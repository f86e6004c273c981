"""Importing items and routings: by service, over HTTP and from the command line."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from portal.core.errors import Conflict, InvalidInput
from portal.core.models import AuditEntry
from predictions.engine.routing.tables import read_items
from predictions.models import Dataset
from predictions.services.routing import datasets
from predictions.services.routing.datasets import Upload
from tests.predictions.routing.conftest import Import

ADDRESS = "/api/v1/datasets/"
Files = tuple[Path, Path]
Key = Callable[..., dict[str, str]]


def test_an_imported_pair_tells_its_content(imported: Import) -> None:
    dataset = imported()

    assert dataset.kind == Dataset.Kind.ROUTING
    assert dataset.n_rows == dataset.profile["n_planned"] == 150
    assert dataset.is_synthetic
    assert {column["role"] for column in dataset.schema} == {"item", "step"}
    assert len(dataset.profile["source"]["routings"]["sha256"]) == 64
    assert AuditEntry.objects.get(action="dataset.import").target == f"dataset {dataset.pk}"


def test_what_is_loaded_is_what_was_imported(imported: Import, files: Files) -> None:
    items, routings = datasets.load(imported())

    assert items.data.equals(read_items(files[0]).data.sort_by("item_code"))
    assert routings.n_rows == pa_csv.read_csv(files[1]).num_rows


def test_the_same_content_in_other_files_is_the_same_data_set(
    imported: Import, files: Files, tmp_path: Path
) -> None:
    first = imported()
    table = pa_csv.read_csv(files[1])
    backwards = table.take(pa.array(range(table.num_rows - 1, -1, -1)))
    pq.write_table(backwards, tmp_path / "same.parquet")

    with pytest.raises(Conflict, match=f"data set {first.pk}, “Plant”"):
        imported(routings=Upload(tmp_path / "same.parquet"))

    assert imported(allow_duplicate=True).copy_of == first


@pytest.mark.parametrize(
    ("table", "spoil", "field", "seen"),
    [
        ("routings", ('"INSPECT"', '""'), "routings.operation", "empty"),
        ("routings", (",10,", ",ten,"), "routings.sequence", "ten"),
        ("items", ("item_name", "called"), "items.item_name", "missing"),
        ("items", ("SHAFT", "S" * 70), "items.item_type", "70"),
    ],
)
def test_a_wrong_table_is_refused_whole_and_by_name(
    imported: Import, files: Files, table: str, spoil: tuple[str, str], field: str, seen: str
) -> None:
    path = files[0] if table == "items" else files[1]
    content = path.read_text().replace(*spoil, 1)
    assert content != path.read_text()

    with pytest.raises(InvalidInput) as caught:
        imported(**{table: Upload(io.BytesIO(content.encode()))})

    assert field in [problem.field for problem in caught.value.problems]
    assert seen in caught.value.problems[0].message
    assert not Dataset.objects.exists()


def test_a_routing_of_an_item_that_is_not_there_is_refused(imported: Import, files: Files) -> None:
    lines = files[0].read_text().splitlines()

    with pytest.raises(InvalidInput) as caught:
        imported(items=Upload(io.BytesIO("\n".join(lines[:-1]).encode())))

    assert caught.value.specific_code == "inconsistent_tables"
    assert caught.value.problems[0].field == "routings.item_code"


def test_a_file_beyond_the_limit_names_itself(
    imported: Import, files: Files, settings: Settings
) -> None:
    settings.MAX_DATASET_BYTES = files[1].stat().st_size - 1

    with pytest.raises(InvalidInput) as caught:
        imported()

    assert caught.value.problems[0].field == "routings"


def test_a_file_that_is_not_there_names_itself(imported: Import, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="nowhere") as caught:
        imported(items=Upload(tmp_path / "nowhere.csv"))

    assert caught.value.problems[0].field == "items"


# --- HTTP ---------------------------------------------------------------------------------------
def post(client: Client, headers: dict[str, str], **body: Any) -> Any:
    sent = {
        name: SimpleUploadedFile(f"{name}.csv", value) if isinstance(value, bytes) else value
        for name, value in body.items()
    }
    return client.post(ADDRESS, sent, headers=headers)


def test_two_files_make_a_data_set_over_http(client: Client, make_key: Key, files: Files) -> None:
    items, routings = (path.read_bytes() for path in files)

    answer = post(
        client, make_key("train"), kind="routing", name="P", items=items, routings=routings
    )

    assert answer.status_code == 201
    content = answer.json()
    assert (content["kind"], content["rows"], content["is_synthetic"]) == ("routing", 150, True)
    assert content["source_name"] == "items.csv, routings.csv"
    assert content["profile"]["n_groups"] > 50
    looked = client.get(answer.headers["Location"], headers=make_key("read"))
    assert looked.json()["schema"][0] | {"label_ko": "품목코드"} == looked.json()["schema"][0]


def test_the_files_of_another_kind_are_refused_by_name(
    client: Client, make_key: Key, files: Files
) -> None:
    items = files[0].read_bytes()

    one = post(client, make_key("train"), kind="routing", name="P", file=items, items=items)
    other = post(client, make_key("train"), name="P", items=items)

    assert one.status_code == other.status_code == 422
    assert {error["field"] for error in one.json()["errors"]} == {"file", "routings"}
    assert {error["field"] for error in other.json()["errors"]} == {"file", "items"}


def test_problems_of_cells_reach_the_caller(client: Client, make_key: Key, files: Files) -> None:
    items, routings = (path.read_bytes() for path in files)
    broken = routings.replace(b",10,", b",ten,", 1)

    answer = post(client, make_key("train"), kind="routing", name="P", items=items, routings=broken)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "routings.sequence"
    assert not Dataset.objects.exists()


# --- Commands -----------------------------------------------------------------------------------
def say(*words: str, **options: Any) -> str:
    out = io.StringIO()
    call_command(*words, stdout=out, **options)
    return out.getvalue()


def test_generated_files_are_imported_by_command(db: None, tmp_path: Path) -> None:
    said = say("generate_routing", items=120, seed=4, output=tmp_path)

    told = say("import_dataset", *said.split(), kind="routing", name="Made")

    dataset = Dataset.objects.get()
    assert (dataset.n_rows, dataset.is_synthetic) == (120, True)
    assert "120 items, 120 of them with a routing" in told
    assert "INSPECT" in told


@pytest.mark.parametrize(
    ("words", "options", "said"),
    [
        (("generate_routing",), {"items": 0}, "1 to 1000000"),
        (("generate_routing",), {"seed": -1}, "--seed is -1"),
        (("import_dataset", "a.csv"), {"kind": "routing"}, "two files"),
        (("import_dataset", "a.csv", "b.csv"), {}, "one file"),
    ],
)
def test_a_wrong_call_says_what_is_right(
    db: None, words: tuple[str, ...], options: dict[str, Any], said: str
) -> None:
    with pytest.raises(CommandError, match=said):
        say(*words, **options)


def test_a_profile_is_plain_json(imported: Import) -> None:
    json.dumps(imported().profile, allow_nan=False)
