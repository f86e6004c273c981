"""The examples of the OpenAPI document are bodies that their addresses take."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from tests.core.test_nasty_input import caller, filled, operations  # noqa: F401 - a fixture

LEAST = 20
#: What an example may be refused for in an empty portal: what it names is not there.
NOT_THERE = {"does_not_exist", "unknown_collection"}


def examples() -> Iterator[Any]:
    for path, method, operation in operations():
        content = operation.get("requestBody", {}).get("content", {})
        shown = content.get("application/json", {}).get("examples", {})
        for one in shown.values():
            yield pytest.param(path, method, operation, one["value"], id=f"{method} {path}")


def test_the_addresses_that_matter_have_an_example() -> None:
    assert len(list(examples())) >= LEAST


@pytest.mark.django_db
@pytest.mark.parametrize(("path", "method", "operation", "body"), list(examples()))
def test_an_example_is_taken_by_its_address(
    caller: Client,  # noqa: F811 - a fixture
    path: str,
    method: str,
    operation: dict[str, Any],
    body: dict[str, Any],
) -> None:
    send = getattr(caller, method)
    answer = send(filled(path, operation), json.dumps(body), content_type="application/json")

    assert answer.status_code not in {400, 405, 415, 500}, answer.content
    if answer.status_code == 422:
        refused = {one["code"] for one in answer.json()["errors"]}
        assert refused
        assert refused <= NOT_THERE, answer.content
