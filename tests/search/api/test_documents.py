import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from portal.core.roles import VIEWER
from portal.runs.models import Run
from search.models import Collection, Document
from tests.search.api.conftest import Key

PATH = "/api/v1/documents/"
COLLECTIONS = "/api/v1/collections/"
pytestmark = pytest.mark.django_db


class Caller:
    """Calls with a key."""

    def __init__(self, client: Client, headers: dict[str, str]) -> None:
        self.client, self.headers = client, headers

    def post(self, path: str, body: Any, **more: str) -> Any:
        return self.client.post(
            path,
            json.dumps(body),
            content_type="application/json",
            headers={**self.headers, **more},
        )

    def patch(self, path: str, body: Any) -> Any:
        return self.client.patch(
            path, json.dumps(body), content_type="application/json", headers=self.headers
        )

    def get(self, path: str) -> Any:
        return self.client.get(path, headers=self.headers)

    def delete(self, path: str) -> Any:
        return self.client.delete(path, headers=self.headers)

    def upload(self, name: str, content: bytes, **fields: str) -> Any:
        file = SimpleUploadedFile(name, content)
        return self.client.post(PATH, {"file": file, **fields}, headers=self.headers)


@pytest.fixture
def caller(client: Client, make_key: Key) -> Caller:
    return Caller(client, make_key("search"))


@pytest.fixture
def reader(client: Client, make_key: Key) -> Caller:
    return Caller(client, make_key("search", role=VIEWER))


def sent(*names: str, **fields: Any) -> dict[str, Any]:
    rows = [
        {"external_id": name, "title": name, "text": f"{name}의 글", **fields} for name in names
    ]
    return {"collection": "defects", "documents": rows}


def test_a_collection_is_made_once_looked_at_and_changed(caller: Caller) -> None:
    body = {"name": "manuals", "title": "Manuals", "options": {"cutting": {"target_chars": 400}}}
    made = caller.post(COLLECTIONS, body)
    assert (made.status_code, made["Location"]) == (201, f"{COLLECTIONS}manuals/")
    again = caller.post(COLLECTIONS, body)
    assert (again.status_code, again.json()["code"]) == (409, "collection_exists")
    changed = caller.patch(f"{COLLECTIONS}manuals/", {"search_defaults": {"per_document": 1}})
    assert changed.json()["search_defaults"] == {"per_document": 1}
    shown = caller.get(f"{COLLECTIONS}manuals/").json()
    assert (shown["live_version"], shown["n_documents"]) == (None, 0)
    assert [one["name"] for one in caller.get(COLLECTIONS).json()["results"]] == ["manuals"]
    assert caller.get(f"{COLLECTIONS}manuals/versions/").json()["results"] == []


@pytest.mark.parametrize(
    ("build", "names"),
    [
        ({"tokenizer": "magic"}, "bigram-1, kiwi-bigram-1"),
        ({"tokenizer": ["bigram-1"]}, "bigram-1, kiwi-bigram-1"),
        ({"embedder": {"kind": "magic"}}, "lsa, sentence-transformers, openai"),
        ({"embedder": "magic"}, "lsa, sentence-transformers, openai"),
        ({"embedder": "lsa"}, '{"kind"'),
        (
            {"embedder": {"kind": "openai", "parameters": {"url": "http://10.0.0.9/v1"}}},
            "MILLWRIGHT_EMBEDDING_URLS",
        ),
    ],
)
def test_an_unknown_part_of_an_index_is_refused_with_those_that_exist(
    caller: Caller, build: dict[str, Any], names: str
) -> None:
    answer = caller.post(COLLECTIONS, {"name": "x", "options": {"build": build}})
    assert answer.status_code == 422
    problem = answer.json()["errors"][0]
    assert problem["field"] == f"options.build.{next(iter(build))}"
    assert names in problem["message"]


@pytest.mark.parametrize(
    "body",
    [
        {"name": "Bad Name"},
        {"name": ""},
        {"name": "x", "options": {"nosuchoption": {}}},
        {"name": "x", "options": {"build": {"nosuchoption": 1}}},
        {"name": "x", "colour": "red"},
        {},
    ],
)
def test_a_wrong_collection_is_refused(caller: Caller, body: dict[str, Any]) -> None:
    answer = caller.post(COLLECTIONS, body)
    assert answer.status_code == 422
    assert answer.json()["errors"]
    assert not Collection.objects.exists()


def test_documents_are_created_updated_and_deleted_by_their_sender_s_id(
    caller: Caller, collection: Collection
) -> None:
    first = caller.post(PATH, sent("a", "b/c d", date="2026-01-31", metadata={"line": 3})).json()
    assert (first["created"], first["updated"], first["unchanged"]) == (2, 0, 0)
    assert first["build"]  # the collection has no index yet
    second = caller.post(PATH, sent("a", taxonomy="x/y")).json()
    assert (second["created"], second["updated"], second["build"]) == (0, 1, None)
    shown = caller.get(f"{PATH}defects/b/c%20d/").json()
    assert (shown["date"], shown["metadata"]) == ("2026-01-31", {"line": 3})
    assert shown["passages"][0]["text"] == "b/c d의 글"
    listed = caller.get(f"{PATH}defects/?taxonomy=x/y").json()["results"]
    assert [one["external_id"] for one in listed] == ["a"]
    assert caller.delete(f"{PATH}defects/b/c%20d/").status_code == 204
    gone = caller.delete(f"{PATH}defects/b/c%20d/")
    assert (gone.status_code, gone.json()["code"]) == (404, "document_not_found")


def test_the_text_of_another_document_is_named(caller: Caller, collection: Collection) -> None:
    body = sent("a") | {"duplicates": "skip"}
    body["documents"].append({"external_id": "copy", "text": body["documents"][0]["text"]})
    body["documents"][0].pop("title")
    answer = caller.post(PATH, body).json()
    assert answer["duplicates"] == [{"external_id": "copy", "same_as": "a"}]
    assert answer["created"] == 1


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"text": "x"}, "documents[1].external_id"),
        ({"external_id": "x"}, "documents[1].text"),
        ({"external_id": "", "text": "x"}, "documents[1].external_id"),
        ({"external_id": "x", "text": " "}, "documents[1].text"),
        ({"external_id": 7, "text": "x"}, "documents[1].external_id"),
        ({"external_id": "x" * 501, "text": "x"}, "documents[1].external_id"),
        ({"external_id": "x", "text": "x", "date": "soon"}, "documents[1].date"),
        ({"external_id": "x", "text": "x", "metadata": []}, "documents[1].metadata"),
        ({"external_id": "x", "text": "x", "metadata": {"a": {}}}, "documents[1].metadata"),
        ({"external_id": "x", "text": "x", "colour": 1}, "documents[1].colour"),
        ("text", "documents[1]"),
    ],
)
def test_a_wrong_document_is_named_and_none_is_kept(
    caller: Caller, collection: Collection, row: Any, field: str
) -> None:
    before = Document.objects.count()
    body = sent("good")
    body["documents"].append(row)
    answer = caller.post(PATH, body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert Document.objects.count() == before


@pytest.mark.parametrize(
    "change",
    [
        {"documents": []},
        {"documents": "all"},
        {"documents": [{}] * 1_001},
        {"duplicates": "maybe"},
        {"collection": 3},
        {"replace": True},
    ],
)
def test_a_wrong_body_is_refused(
    caller: Caller, collection: Collection, change: dict[str, Any]
) -> None:
    assert caller.post(PATH, sent("a") | change).status_code == 422


def test_a_file_is_read_by_a_run(caller: Caller, collection: Collection) -> None:
    answer = caller.upload(
        "소착.md", "# 소착\n\n글".encode(), collection="defects", metadata='{"line": 3}'
    )
    assert answer.status_code == 202, answer.content
    run = Run.objects.get(pk=answer.json()["id"])
    assert answer["Location"] == f"/api/v1/runs/{run.pk}/"
    assert (run.kind, run.parameters["name"]) == ("search.import_documents", "소착.md")
    assert run.parameters["metadata"] == {"line": 3}


@pytest.mark.parametrize(
    "fields",
    [{}, {"collection": "defects", "metadata": "[1]"}, {"collection": "defects", "x": "1"}],
)
def test_a_wrong_upload_is_refused(
    caller: Caller, collection: Collection, fields: dict[str, str]
) -> None:
    assert caller.upload("a.md", b"x", **fields).status_code == 422
    assert not Run.objects.exists()


def test_a_rebuild_is_one_run_however_often_it_is_asked_for(
    caller: Caller, collection: Collection
) -> None:
    path = f"{COLLECTIONS}defects/rebuild/"
    first, second = (caller.post(path, {"reason": "new options"}) for _number in range(2))
    assert (first.status_code, first.json()["id"]) == (202, second.json()["id"])


def test_a_reader_may_look_but_not_write(reader: Caller, collection: Collection) -> None:
    answers = [
        reader.post(COLLECTIONS, {"name": "x"}),
        reader.patch(f"{COLLECTIONS}defects/", {"title": "x"}),
        reader.post(f"{COLLECTIONS}defects/rebuild/", {}),
        reader.post(PATH, sent("a")),
        reader.upload("a.md", b"x", collection="defects"),
        reader.delete(f"{PATH}defects/flash/"),
    ]
    assert [one.status_code for one in answers] == [403] * 6
    assert reader.get(f"{PATH}defects/flash/").status_code == 200
    assert reader.get(f"{PATH}defects/").status_code == 200


def test_facets_count_passages(reader: Caller, indexed: Collection) -> None:
    body = reader.get(f"{COLLECTIONS}defects/facets/?field=taxonomy").json()
    assert {"value": "결함/flash", "n_passages": 1} in body["results"]
    assert reader.get(f"{COLLECTIONS}defects/facets/").status_code == 422
    unknown = reader.get(f"{COLLECTIONS}defects/facets/?field=nosuchfield")
    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_field")


def test_an_embedding_endpoint_that_is_vouched_for_is_taken(
    caller: Caller, settings: Settings
) -> None:
    settings.EMBEDDING_URLS = ["http://127.0.0.1:9/v1/"]
    away = {"kind": "openai", "parameters": {"url": "http://127.0.0.1:9/v1", "model": "m"}}
    answer = caller.post(COLLECTIONS, {"name": "x", "options": {"build": {"embedder": away}}})
    assert answer.status_code == 201
