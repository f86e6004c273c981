"""Asking for routings over HTTP: what is answered, refused, recorded and shown."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client

from portal.core.models import User
from portal.lib import clock
from portal.registry.models import ModelVersion
from predictions.models import RoutingPrediction
from predictions.services.answering import Caller, Named
from predictions.services.routing import answering, serving
from predictions.services.routing.answering import MAX_ITEMS, Wanted
from tests.predictions.routing.conftest import STRANGER

ADDRESS = "/api/v1/predictions/routing/"
BATCH = f"{ADDRESS}batch/"
HISTORY = f"{ADDRESS}history/"

Key = Callable[..., dict[str, str]]
Make = Callable[..., ModelVersion]
Items = list[dict[str, Any]]


def post(client: Client, body: Any, headers: dict[str, str], address: str = ADDRESS) -> Any:
    return client.post(address, json.dumps(body), content_type="application/json", headers=headers)


# --- What is answered -----------------------------------------------------------------------------
def test_an_item_is_answered_with_a_routing_candidates_and_reasons(
    client: Client, champion: ModelVersion, items: Items, make_key: Key
) -> None:
    answer = post(client, {"item": items[0], "top_k": 3}, make_key("predict")).json()

    assert answer["model_version"] == champion.number
    assert answer["refused"] is None
    assert [step["sequence"] for step in answer["routing"]] == [
        10 * place for place in range(1, len(answer["routing"]) + 1)
    ]
    for step in answer["routing"]:
        low, high = step["setup_interval"]
        assert low <= step["setup_minutes"] <= high
    assert 1 <= len(answer["candidates"]) <= 3
    best = answer["candidates"][0]
    assert 0 < best["similarity"] <= 1
    assert {"sequence", "operation", "work_center", "setup_minutes", "run_minutes"} == set(
        best["routing"][0]
    )
    explanation = answer["explanation"]
    gained = [one["contribution"] for one in explanation["matched_features"]]
    assert gained == sorted(gained, reverse=True)
    assert explanation["items"]
    assert answer["confidence"] in {"high", "medium", "low"}
    assert answer["total_interval"][0] <= answer["total_minutes"] <= answer["total_interval"][1]


def test_an_item_unlike_all_known_ones_is_refused_in_words(
    client: Client, champion: ModelVersion, make_key: Key
) -> None:
    answer = post(client, {"item": STRANGER}, make_key("predict"))

    content = answer.json()
    assert answer.status_code == 200
    assert content["refused"]["code"] == "item_unfamiliar"
    assert "plan this item by hand" in content["refused"]["reason"]
    assert (content["routing"], content["confidence"], content["probability"]) == ([], "none", 0)
    assert content["familiarity"] < content["threshold"]
    assert content["candidates"]
    row = RoutingPrediction.objects.get(pk=content["prediction_id"])
    assert (row.is_refused, row.n_steps, row.item_code) == (True, 0, "X1")


def test_many_items_are_answered_at_once_in_order(
    client: Client, champion: ModelVersion, items: Items, make_key: Key
) -> None:
    headers = make_key("predict")
    many = post(client, {"items": [*items[:3], STRANGER]}, headers, BATCH).json()
    alone = post(client, {"item": items[1]}, headers).json()

    assert [one["refused"] is None for one in many["predictions"]] == [True, True, True, False]
    assert many["predictions"][1]["routing"] == alone["routing"]
    assert RoutingPrediction.objects.count() == 5


def test_the_day_of_planning_decides_what_machines_there_are(
    client: Client, champion: ModelVersion, items: Items, make_key: Key
) -> None:
    headers = make_key("predict")
    places = [
        {
            step["work_center"]
            for item in items
            for step in post(client, {"item": item, "as_of": day}, headers).json()["routing"]
        }
        for day in ("2019-06-01", "2025-12-01")
    ]

    assert places[0] != places[1]


# --- What is refused ------------------------------------------------------------------------------
def test_every_wrong_value_is_named(client: Client, champion: ModelVersion, make_key: Key) -> None:
    item = {"item_name": 5, "outer_diameter_mm": -1, "created_on": "tomorrow", "colour": "red"}

    answer = post(client, {"item": item}, make_key("predict"))

    assert answer.status_code == 422
    errors = {error["field"]: error["message"] for error in answer.json()["errors"]}
    assert set(errors) == {
        "item.item_name",
        "item.outer_diameter_mm",
        "item.created_on",
        "item.colour",
    }
    assert "-1 mm" in errors["item.outer_diameter_mm"]
    assert not RoutingPrediction.objects.exists()


def test_a_batch_names_the_item_and_answers_nothing(
    client: Client, champion: ModelVersion, items: Items, make_key: Key
) -> None:
    sent = {"items": [items[0], {"length_mm": "long"}, {}]}

    answer = post(client, sent, make_key("predict"), BATCH)

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [
        "items[1].length_mm",
        "items[2]",
    ]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], ""),
        ({}, "item"),
        ({"item": "A1"}, "item"),
        ({"item": {"item_name": "Pin"}, "top_k": 0}, "top_k"),
        ({"item": {"item_name": "Pin"}, "top_k": True}, "top_k"),
        ({"item": {"item_name": "Pin"}, "as_of": "soon"}, "as_of"),
        ({"item": {"item_name": "Pin"}, "fish": 1}, "fish"),
        ({"item": {"item_name": "Pin", "hole_count": 2.5}}, "item.hole_count"),
    ],
)
def test_a_wrong_question_is_refused_by_name(
    client: Client, champion: ModelVersion, make_key: Key, body: Any, field: str
) -> None:
    answer = post(client, body, make_key("predict"))

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


def test_too_many_items_are_refused(client: Client, champion: ModelVersion, make_key: Key) -> None:
    answer = post(
        client, {"items": [{"item_name": "Pin"}] * (MAX_ITEMS + 1)}, make_key("predict"), BATCH
    )

    assert answer.status_code == 422
    assert str(MAX_ITEMS) in answer.json()["detail"]


def test_who_may_ask(client: Client, champion: ModelVersion, items: Items, make_key: Key) -> None:
    body = {"item": items[0]}

    assert post(client, body, {}).status_code == 401
    assert post(client, body, make_key("read")).status_code == 403
    assert post(client, body, make_key("predict")).status_code == 200
    assert client.get(ADDRESS, headers=make_key("predict")).status_code == 405


def test_without_a_champion_the_way_to_one_is_said(client: Client, db: None, make_key: Key) -> None:
    serving.routing.take(None)

    answer = post(client, {"item": {"item_name": "Pin"}}, make_key("predict"))

    assert (answer.status_code, answer.json()["code"]) == (503, "no_champion")


# --- What is recorded -----------------------------------------------------------------------------
def test_an_answer_is_on_record_before_it_leaves(
    client: Client, champion: ModelVersion, items: Items, make_key: Key
) -> None:
    answer = post(client, {"item": items[0]}, make_key("predict"))

    content = answer.json()
    row = RoutingPrediction.objects.get(pk=content["prediction_id"])
    assert row.version == champion
    assert row.item == items[0]
    assert row.answer["routing"] == content["routing"]
    assert row.request_id == answer.headers["X-Request-ID"]
    assert (row.role, row.item_code) == ("champion", items[0]["item_code"])


def test_nothing_is_recorded_when_that_is_asked(
    client: Client, champion: ModelVersion, items: Items, make_key: Key
) -> None:
    answer = post(client, {"item": items[0]}, make_key("predict"), f"{ADDRESS}?record=false")

    assert answer.json()["prediction_id"] is None
    assert answer.json()["routing"]
    assert not RoutingPrediction.objects.exists()


def test_a_repeated_request_gets_the_first_answer(
    client: Client, champion: ModelVersion, items: Items, make_key: Key
) -> None:
    headers = make_key("predict") | {"Idempotency-Key": "one"}

    first, again = (post(client, {"item": items[0]}, headers) for _ in range(2))
    other = post(client, {"item": items[1]}, headers)

    assert again.content == first.content
    assert other.status_code == 409
    assert RoutingPrediction.objects.count() == 1


def test_an_attempt_that_died_after_its_record_is_not_recorded_again(
    champion: ModelVersion, items: Items
) -> None:
    since = clock.now().timestamp()
    first, second = (
        answering.answer(
            serving.routing,
            items[:2],
            Wanted(),
            Caller("key:1", "r1", Named("one", since, is_second=is_second)),
        )
        for is_second in (False, True)
    )

    assert second.answers == first.answers
    assert RoutingPrediction.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_an_answer_that_cannot_be_recorded_is_not_given(
    client: Client, champion: ModelVersion, items: Items, make_key: Key
) -> None:
    headers = make_key("predict")
    table = RoutingPrediction._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO {table}_away")
    try:
        answer = post(client, {"item": items[0]}, headers)
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table}_away RENAME TO {table}")

    assert (answer.status_code, answer.json()["code"]) == (503, "recording_unavailable")


# --- History --------------------------------------------------------------------------------------
def test_history_lists_what_was_proposed_and_refused(
    client: Client, champion: ModelVersion, items: Items, make_key: Key
) -> None:
    post(client, {"items": [items[0], STRANGER]}, make_key("predict"), BATCH)
    headers = make_key("read")

    every = client.get(HISTORY, headers=headers).json()["results"]
    refused = client.get(f"{HISTORY}?confidence=none", headers=headers).json()["results"]
    one = client.get(f"{ADDRESS}{refused[0]['prediction_id']}/", headers=headers).json()

    assert len(every) == 2
    assert [row["item_code"] for row in refused] == ["X1"]
    assert one["item"]["item_name"] == STRANGER["item_name"]
    assert one["answer"]["refused"]["code"] == "item_unfamiliar"
    assert client.get(f"{HISTORY}?fish=1", headers=headers).status_code == 422


def test_who_may_look(client: Client, champion: ModelVersion, items: Items, make_key: Key) -> None:
    post(client, {"item": items[0]}, make_key("predict"))

    assert client.get(HISTORY).status_code == 401
    for role, status in (("viewer", 200), ("operator", 200), ("administrator", 200)):
        user = User.objects.create(username=role)
        user.groups.add(Group.objects.get(name=role))
        client.force_login(user)
        assert client.get(HISTORY).status_code == status
    client.force_login(User.objects.create(username="nobody"))
    assert client.get(HISTORY).status_code == 403


def test_a_list_takes_as_many_queries_for_many_as_for_one(
    client: Client,
    champion: ModelVersion,
    items: Items,
    make_key: Key,
    django_assert_max_num_queries: Any,
) -> None:
    post(client, {"items": items[:10]}, make_key("predict"), BATCH)
    headers = make_key("read")
    client.get(HISTORY, headers=headers)

    with django_assert_max_num_queries(6):
        assert len(client.get(HISTORY, headers=headers).json()["results"]) == 10
