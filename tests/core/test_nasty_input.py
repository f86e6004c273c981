"""No input whatever makes any address of the API fail by our fault."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from django.test import Client

from portal.core.models import Scope, User
from predictions.services import serving

ROOT = Path(__file__).resolve().parent.parent.parent
NOBODY = "00000000-0000-4000-8000-000000000000"
PATH_VALUES = [NOBODY, "1", "0", "-1", str(2**70), "x" * 300, "\x00", "..", "é'\"", "%s"]
QUERY_VALUES = ["", "x", "-1", str(2**70), "1e400", "\x00", "é", "2026-13-45", "[]", NOBODY]
JSON_VALUES: list[Any] = [
    None,
    True,
    "",
    "x" * 5000,
    "\N{PILE OF POO}",
    -1,
    2**70,
    1e308,
    [],
    [[]],
    {},
    {"a": {"b": [1]}},
    NOBODY,
    "2026-13-45T00:00:00Z",
]
RAW_BODIES = [b"", b"null", b"[]", b"1", b'"x"', b"{", b'{"a":NaN}', b"\xff\xfe", b"[" * 2000]
REASONS_TO_WAIT = {"no_champion", "champion_loading", "unavailable"}


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    document = yaml.load((ROOT / "docs" / "openapi.yaml").read_bytes(), yaml.CSafeLoader)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation | {"components": document["components"]}


OPERATIONS = [pytest.param(*item, id=f"{item[1]} {item[0]}") for item in operations()]


@pytest.fixture
def caller(bearer: Callable[..., Client], person: Callable[..., User]) -> Iterator[Client]:
    """Give a caller with every scope, whose account is in every role."""
    user = person("all", "operator", "approver", "administrator", is_superuser=True)
    yield bearer(*Scope.values, user=user)
    serving.quality.stop()


def filled(path: str, operation: dict[str, Any], value: str = NOBODY) -> str:
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", quote(value, safe=""))
    return path


def check(answer: Any, about: object) -> None:
    media_type = answer.headers.get("Content-Type", "")
    assert answer.headers["X-Request-ID"], about
    if answer.request["PATH_INFO"].startswith("/v2/"):  # the open inference protocol has its own
        assert answer.status_code < 500 or answer.status_code == 503, (about, answer.content)
        assert answer.status_code < 400 or answer.json()["error"], (about, answer.content)
        return
    if answer.status_code >= 500:
        assert answer.status_code == 503, (about, answer.content)
        assert answer.json()["code"] in REASONS_TO_WAIT, (about, answer.content)
    if answer.status_code >= 400:
        assert media_type == "application/problem+json", (about, answer.content)


@pytest.mark.django_db
@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_an_address_withstands_nasty_paths_and_queries(
    caller: Client, path: str, method: str, operation: dict[str, Any]
) -> None:
    call = getattr(caller, method)
    if "{" in path:
        for value in PATH_VALUES:
            check(call(filled(path, operation, value)), value)
    names = [item["name"] for item in operation.get("parameters", []) if item["in"] == "query"]
    for name in [*names, "unknown"] if method == "get" else []:
        for value in QUERY_VALUES:
            query = f"?{name}={quote(value)}"
            check(call(filled(path, operation) + query), query)


def properties(operation: dict[str, Any]) -> list[str]:
    """Return the names of the members of an operation's JSON body."""
    content = operation.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    if "$ref" in schema:
        schema = operation["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return list(schema.get("properties", {}))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "method", "operation"), [item for item in OPERATIONS if item.values[1] != "get"]
)
def test_an_address_withstands_nasty_bodies(
    caller: Client, path: str, method: str, operation: dict[str, Any]
) -> None:
    call, address = getattr(caller, method), filled(path, operation)
    for raw in RAW_BODIES:
        check(call(address, raw, content_type="application/json"), raw)
    names = properties(operation)
    bodies = [{name: value} for name in names for value in JSON_VALUES]
    bodies += [dict.fromkeys(names, value) for value in JSON_VALUES]
    for body in bodies:
        check(call(address, json.dumps(body), content_type="application/json"), body)
    check(call(address, b"--x\r\n", content_type="multipart/form-data; boundary=x"), "multipart")
    check(call(address, b"a", content_type="multipart/form-data"), "no boundary")


COLLECTIONS = [
    pytest.param(path, method, operation, id=f"{method} {path}")
    for path, method, operation in operations()
    if method != "get" and "{" not in path and properties(operation)
]


@pytest.mark.django_db
@pytest.mark.parametrize(("path", "method", "operation"), COLLECTIONS)
def test_a_misspelt_field_is_named_and_not_ignored(
    caller: Client, path: str, method: str, operation: dict[str, Any]
) -> None:
    body = dict.fromkeys(properties(operation)) | {"no_such_field": 1}
    answer = getattr(caller, method)(path, json.dumps(body), content_type="application/json")
    assert answer.status_code == 422, answer.content
    assert "no_such_field" in [item["field"] for item in answer.json()["errors"]]
