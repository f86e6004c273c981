import json
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from portal.lib import metrics
from search.engine.index import Index
from search.models import Click, Collection, SearchRecord
from search.services import admission, breakers, collections, querylog, quotas, searching
from search.services.caching import REQUESTS
from tests.search.api.conftest import Ask, Key
from tests.search.conftest import ACTOR

PATH = "/api/v1/search/"
pytestmark = pytest.mark.django_db

HIT = {
    "document",
    "passage",
    "snippet",
    "score",
    "lexical_score",
    "vector_score",
    "rank_lexical",
    "rank_vector",
    "taxonomy_boost",
    "metadata",
}


def found(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [hit["document"]["external_id"] for hit in answer.json()["hits"]]


def test_a_search_answers_in_the_contract_s_shape(ask: Ask, indexed: Collection) -> None:
    answer = ask(PATH, {"query": "기포 결함", "collection": "defects", "top_k": 3})
    body = answer.json()
    assert found(answer)[0] == "blow-hole"
    assert len(body["hits"]) == 3
    assert set(body["hits"][0]) == HIT
    assert {"search_id", "took_ms", "timings", "cache", "degraded", "version"} <= set(body)
    assert (body["cache"], body["degraded"], body["collection"]) == ("miss", [], "defects")
    assert body["timings"]["total"] > 0


def test_the_same_search_again_comes_from_the_cache(ask: Ask, indexed: Collection) -> None:
    before = REQUESTS.labels("search", "hit", "process").value
    first, second = (
        ask(PATH, {"query": query, "collection": "defects"}).json()
        for query in ("기포  결함 ", "기포 결함")
    )
    assert (first["cache"], second["cache"]) == ("miss", "hit")
    assert first["hits"] == second["hits"]
    assert first["search_id"] != second["search_id"]
    assert second["timings"] == {}
    assert REQUESTS.labels("search", "hit", "process").value == before + 1


@pytest.mark.parametrize(
    "other",
    [
        {"mode": "lexical"},
        {"top_k": 2},
        {"filters": {"taxonomy": "결함/flash"}},
        {"taxonomy": "결함/flash"},
        {"options": {"fusion": "rrf"}},
    ],
)
def test_another_request_is_another_answer(
    ask: Ask, indexed: Collection, other: dict[str, Any]
) -> None:
    question = {"query": "기포 결함", "collection": "defects"}
    ask(PATH, question)
    assert ask(PATH, question | other).json()["cache"] == "miss"


def test_what_was_asked_is_logged_and_a_click_joins_it(ask: Ask, indexed: Collection) -> None:
    body = ask(PATH, {"query": "flash", "collection": "defects"}, **{"X-Request-ID": "r-1"}).json()
    querylog.flush()
    record = SearchRecord.objects.get(pk=body["search_id"])
    assert (record.query, record.collection_id, record.cache) == ("flash", indexed.pk, "miss")
    assert record.document_ids[0] == "flash"
    assert record.request_id == "r-1"
    assert record.principal.startswith("key:")
    path = f"{PATH}{body['search_id']}/clicks/"
    click = {"collection": "defects", "external_id": "flash", "rank": 1}
    assert ask(path, click).status_code == 201
    assert ask(path, click).status_code == 201
    assert Click.objects.get().search_id == record.pk


def test_a_click_is_kept_before_its_search_is_in_the_log(ask: Ask, indexed: Collection) -> None:
    body = ask(PATH, {"query": "flash", "collection": indexed.name}).json()
    assert not SearchRecord.objects.exists()
    click = {"collection": "defects", "external_id": "flash", "rank": 1}
    assert ask(f"{PATH}{body['search_id']}/clicks/", click).status_code == 201


@pytest.mark.parametrize(
    "search_id",
    [
        "2f1c1f0e-3c5b-4c39-9a65-0d1a2b3c4d5e",  # random, which no search here is
        "0197a000-0000-7000-8000-000000000000",  # a search of long ago
        "ffffffff-ffff-7fff-bfff-ffffffffffff",  # of the year 10889
        "00000000-0000-0000-0000-000000000000",
    ],
)
def test_a_click_on_a_search_that_nobody_made_is_refused(
    ask: Ask, indexed: Collection, search_id: str
) -> None:
    click = {"collection": indexed.name, "external_id": "flash", "rank": 1}
    answer = ask(f"{PATH}{search_id}/clicks/", click)
    assert (answer.status_code, answer.json()["code"]) == (404, "no_search")
    assert answer["Content-Type"] == "application/problem+json"
    assert search_id in answer.json()["detail"]
    assert not Click.objects.exists()


def test_a_click_belongs_to_the_collection_that_was_asked(ask: Ask, indexed: Collection) -> None:
    body = ask(PATH, {"query": "flash", "collection": indexed.name}).json()
    querylog.flush()
    collections.create(name="others", actor=ACTOR)
    click = {"collection": "others", "external_id": "flash", "rank": 1}
    answer = ask(f"{PATH}{body['search_id']}/clicks/", click)
    assert (answer.status_code, answer.json()["code"]) == (404, "no_search")


@pytest.mark.parametrize(
    ("change", "field", "status"),
    [
        ({"query": ""}, "query", 422),
        ({"query": " \t\n"}, "query", 422),
        ({"query": 7}, "query", 422),
        ({"query": None}, "query", 422),
        ({"query": "x" * 10_001}, "query", 422),
        ({"collection": "nothing-of-the-kind"}, None, 404),
        ({"collection": ["defects"]}, "collection", 422),
        ({"mode": "magic"}, "mode", 422),
        ({"mode": ["hybrid"]}, "mode", 422),
        ({"top_k": 0}, "top_k", 422),
        ({"top_k": True}, "top_k", 422),
        ({"top_k": 1e9}, "top_k", 422),
        ({"filters": "all"}, "filters", 422),
        ({"filters": {"nosuchfield": 1}}, "nosuchfield", 422),
        ({"filters": {"date": {"gte": "yesterday"}}}, "date", 422),
        ({"filters": {"title": {"$ne": 1}}}, "title", 422),
        ({"taxonomy": 3}, "taxonomy", 422),
        ({"options": {"nosuchoption": 1}}, "options", 422),
        ({"options": {"vector_weight": 7}}, "options", 422),
        ({"offset": 5}, "offset", 422),
    ],
)
def test_a_wrong_member_is_named(
    ask: Ask, indexed: Collection, change: dict[str, Any], field: str | None, status: int
) -> None:
    answer = ask(PATH, {"query": "기포", "collection": "defects"} | change)
    problem = answer.json()
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    assert problem["detail"]
    if field is not None:
        assert field in problem["errors"][0]["field"] or field in problem["detail"]


@pytest.mark.parametrize(
    "query",
    [
        "'; DROP TABLE search_document; --",
        'title:"기포" AND (NOT *) OR body:[a TO z]~2^3',
        '\\ / + - && || ! ( ) { } [ ] ^ " ~ * ? :',
        "🙂🔥",
        "기" * 10_000,
        "\u202e가나다",
        "a\u0301 \ufb01 \u2177 \uff46",
        "SELECT * FROM x WHERE 1=1 UNION SELECT 2",
        "%s %d {0} ${jndi:ldap://x}",
    ],
)
def test_any_text_is_a_query(ask: Ask, indexed: Collection, query: str) -> None:
    for mode in ("hybrid", "lexical", "vector"):
        answer = ask(PATH, {"query": query, "collection": "defects", "mode": mode})
        assert answer.status_code == 200, answer.content


@pytest.mark.parametrize(
    "body",
    [
        b'{"query": "\\ud800", "collection": "defects"}',
        b'{"query": "\\u0000", "collection": "defects"}',
        b'{"query": "a", "collection": "defects", "top_k": NaN}',
        b'{"query": "a", "query": "b", "collection": "defects"}',
        b'{"query": "\xff", "collection": "defects"}',
        b"",
        b"[]",
        b"null",
        b'"query"',
        b"[" * 1_000,
    ],
)
def test_a_malformed_body_is_refused(ask: Ask, body: bytes) -> None:
    answer = ask(PATH, body)
    assert answer.status_code in {400, 415, 422}
    assert answer["Content-Type"] == "application/problem+json"


def test_a_query_of_ten_megabytes_is_refused(ask: Ask, indexed: Collection) -> None:
    answer = ask(PATH, {"query": "가" * (10 << 20), "collection": "defects"})
    assert answer.status_code in {413, 422}
    assert len(answer.content) < 2_000


def test_who_has_no_key_or_not_the_scope_is_refused(
    client: Client, make_key: Key, indexed: Collection
) -> None:
    body = json.dumps({"query": "기포", "collection": "defects"})
    answers = [
        client.post(PATH, body, content_type="application/json", headers=headers)
        for headers in ({}, make_key("read"))
    ]
    assert [one.status_code for one in answers] == [401, 403]


def test_the_quota_is_hard(ask: Ask, indexed: Collection, settings: Settings) -> None:
    settings.QUERIES_PER_MINUTE = 3
    statuses = [
        ask(PATH, {"query": "기포", "collection": "defects"}).status_code for _number in range(5)
    ]
    assert statuses.count(200) >= 3 or 429 in statuses
    refused = ask(PATH, {"query": "기포", "collection": "defects"})
    while refused.status_code == 200:  # a new minute may have begun
        refused = ask(PATH, {"query": "기포", "collection": "defects"})
    assert (refused.status_code, refused.json()["code"]) == (429, "quota_spent")
    assert int(refused["Retry-After"]) >= 1


def test_too_many_at_once_are_turned_away_and_the_others_answered(
    ask: Ask, indexed: Collection, settings: Settings
) -> None:
    settings.SEARCH_TARGET_MS = 1
    question = {"query": "수축공", "collection": "defects"}
    assert ask(PATH, question).status_code == 200
    own = admission.gate("defects")
    places = [own.turn() for _number in range(own.limit)]
    for place in places:
        place.__enter__()
    try:
        shed = ask(PATH, question | {"top_k": 4})
        assert (shed.status_code, shed.json()["code"]) == (503, "overloaded")
        assert int(shed["Retry-After"]) >= 1
        assert ask(PATH, question).json()["cache"] == "hit"
    finally:
        for place in places:
            place.__exit__(None, None, None)
    assert ask(PATH, question | {"top_k": 4}).status_code == 200


def test_times_and_caches_are_on_the_metrics(ask: Ask, indexed: Collection) -> None:
    ask(PATH, {"query": "기포", "collection": "defects"})
    names = {one.name for one in metrics.declared()}
    assert {"portal_search_seconds", "portal_cache_requests_total"} <= names


def test_only_an_embedder_on_another_machine_gets_a_breaker(opened: Index) -> None:
    away = {"kind": "openai", "parameters": {"url": "http://127.0.0.1:9/v1", "model": "m"}}
    remote = replace(opened.manifest, embedder=away | {"dimensions": 4})
    assert isinstance(breakers.remote(remote, {}), breakers.GuardedEmbedder)
    assert breakers.remote(opened.manifest, {}) is None


def test_quotas_count_for_one_caller_alone(settings: Settings) -> None:
    settings.QUERIES_PER_MINUTE = 10
    quotas.spend("key:1", 10)
    quotas.spend("key:2", 10)
    with pytest.raises(quotas.QuotaSpent):
        quotas.spend("key:3", 11)


def test_a_search_goes_on_when_no_core_comes_free(ask: Ask, indexed: Collection) -> None:
    cores = searching._cores
    with ExitStack() as held:
        while cores.acquire(blocking=False):
            held.callback(cores.release)
        assert found(ask(PATH, {"query": "금형 온도가 높을 때", "collection": "defects"}))
    assert cores.acquire(blocking=False)
    cores.release()


def test_an_answer_of_another_index_is_not_kept(
    ask: Ask, indexed: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = searching.search

    def later(*given: Any, **named: Any) -> searching.Found:
        return replace(plain(*given, **named), digest="f" * 64)

    asked = {"query": "기포 결함", "collection": "defects"}
    with monkeypatch.context() as patched:
        patched.setattr(searching, "search", later)  # the index was exchanged in between
        assert ask(PATH, asked).json()["cache"] == "miss"
    assert ask(PATH, asked).json()["cache"] == "miss"
    assert ask(PATH, asked).json()["cache"] == "hit"
