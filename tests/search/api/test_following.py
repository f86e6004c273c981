"""Searches while documents change and indexes are exchanged: real rows, real builds."""

from collections.abc import Callable
from typing import Any

import pytest

from search.models import Collection
from search.services import documents, following
from tests.search.api.conftest import Ask
from tests.search.api.test_search import PATH, found
from tests.search.conftest import ACTOR, Build, incoming

pytestmark = pytest.mark.django_db(transaction=True)


def test_no_answer_outlives_a_change_or_a_new_version(
    ask: Ask, collection: Collection, build: Build, wait_for: Callable[..., Any]
) -> None:
    assert build().state == "succeeded"
    question = {"query": "비스킷 두께", "collection": "defects"}
    assert "biscuit" not in found(ask(PATH, question))
    old = ask(PATH, question).json()
    assert old["cache"] == "hit"
    texts = {"biscuit": "비스킷 두께가 얇으면 압력이 전달되지 않는다."}
    documents.upsert(collection=collection, documents=incoming(texts), actor=ACTOR)
    assert wait_for(lambda: "biscuit" in found(ask(PATH, question)), 60)
    assert build().state == "succeeded"
    assert wait_for(lambda: ask(PATH, question).json()["version"] > old["version"], 60)
    assert found(ask(PATH, question))[0] == "biscuit"


def test_a_collection_without_an_index_says_so(
    ask: Ask, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "FIRST_LOAD_S", 60.0)
    answer = ask(PATH, {"query": "기포", "collection": "defects"})
    assert (answer.status_code, answer.json()["code"]) == (503, "no_index")
    assert int(answer["Retry-After"]) >= 1
