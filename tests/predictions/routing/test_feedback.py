"""What planners make of proposed routings: accepted, corrected, and learnt from."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from portal.core.errors import InvalidInput
from portal.registry.models import ModelVersion
from portal.runs.models import Run, State
from predictions import dispatch
from predictions.models import Dataset, RoutingOutcome, RoutingPrediction
from predictions.services.answering import Caller
from predictions.services.routing import answering, datasets, feedback, serving
from predictions.services.routing.answering import Wanted
from predictions.services.routing.models import MODEL_NAME
from tests.predictions.routing.conftest import ACTOR, STRANGER, SmallModel, as_item
from tests.waiting import wait_for
from tests.worker import Worker

BASE = "/api/v1/predictions/routing/"
STEPS = [
    {"operation": "SAW", "work_center": "S-1", "setup_minutes": 5, "run_minutes": 0.5},
    {"operation": "INSPECT", "work_center": "Q-1", "setup_minutes": 0, "run_minutes": 1.25},
]

Items = list[dict[str, Any]]
Key = Callable[..., dict[str, str]]


@pytest.fixture
def ask(champion: ModelVersion) -> Callable[[dict[str, Any]], RoutingPrediction]:
    """Give ``ask(item)``: the recorded proposal."""

    def proposed(item: dict[str, Any]) -> RoutingPrediction:
        caller = Caller("key:1", "r1")
        told = answering.answer(serving.routing, [item], Wanted(), caller).answers[0]
        return RoutingPrediction.objects.get(pk=told["prediction_id"])

    return proposed


Ask = Callable[[dict[str, Any]], RoutingPrediction]


def decide(prediction: RoutingPrediction, **said: Any) -> tuple[RoutingOutcome, bool]:
    return feedback.decide(prediction.pk, said, reported_by="planner")


# --- What is kept ---------------------------------------------------------------------------------
def test_an_accepted_proposal_keeps_its_routing(ask: Ask, items: Items) -> None:
    prediction = ask(items[0])

    row, is_new = decide(prediction, accepted=True)

    assert (row.verdict, is_new, row.is_current, row.same_operations) == (
        "accepted",
        True,
        True,
        True,
    )
    assert [step["operation"] for step in row.routing] == [
        step["operation"] for step in prediction.answer["routing"]
    ]
    assert row.item_code == items[0]["item_code"]


def test_a_correction_is_another_row_and_the_last_word(ask: Ask, items: Items) -> None:
    prediction = ask(items[0])
    decide(prediction, accepted=True)

    row, _is_new = decide(prediction, routing=STEPS, item_code="N-7")

    assert [step["sequence"] for step in row.routing] == [10, 20]
    assert (row.verdict, row.same_operations, row.item_code) == ("corrected", False, "N-7")
    assert RoutingOutcome.objects.count() == 2
    assert RoutingOutcome.objects.current().get() == row


def test_the_same_again_changes_nothing(ask: Ask, items: Items) -> None:
    prediction = ask(items[0])

    first, _new = decide(prediction, routing=STEPS)
    again, is_new = decide(prediction, routing=STEPS)

    assert (again, is_new) == (first, False)


def test_a_refused_item_gets_its_routing_by_hand(ask: Ask) -> None:
    prediction = ask(STRANGER)

    with pytest.raises(InvalidInput, match="Nothing was proposed"):
        decide(prediction, accepted=True)
    row, _is_new = decide(prediction, routing=STEPS)

    assert (row.verdict, row.same_operations) == ("corrected", False)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({}, "routing"),
        ({"accepted": False}, "routing"),
        ({"accepted": "yes"}, "accepted"),
        ({"accepted": True, "routing": STEPS}, "routing"),
        ({"accepted": True, "item_code": ""}, "item_code"),
        ({"accepted": True, "fish": 1}, "fish"),
        ({"routing": []}, "routing"),
        ({"routing": "SAW"}, "routing"),
        ({"routing": [5]}, "routing[0]"),
        ({"routing": [{**STEPS[0], "operation": " "}]}, "routing[0].operation"),
        ({"routing": [{**STEPS[0], "run_minutes": -1}]}, "routing[0].run_minutes"),
        ({"routing": [{**STEPS[0], "run_minutes": "1"}]}, "routing[0].run_minutes"),
        ({"routing": [{**STEPS[0], "colour": "red"}]}, "routing[0].colour"),
        ({"routing": [{**STEPS[0], "sequence": 10}, STEPS[1]]}, "routing[1].sequence"),
        (
            {"routing": [{**STEPS[0], "sequence": 20}, {**STEPS[1], "sequence": 20}]},
            "routing[1].sequence",
        ),
    ],
)
def test_a_wrong_decision_is_refused_by_name(
    ask: Ask, items: Items, said: dict[str, Any], field: str
) -> None:
    prediction = ask(items[0])

    with pytest.raises(InvalidInput) as caught:
        decide(prediction, **said)

    assert caught.value.problems[0].field == field
    assert not RoutingOutcome.objects.exists()


# --- HTTP -----------------------------------------------------------------------------------------
def post(client: Client, prediction: RoutingPrediction, body: Any, headers: dict[str, str]) -> Any:
    address = f"{BASE}{prediction.pk}/outcome/"
    return client.post(address, json.dumps(body), content_type="application/json", headers=headers)


def test_a_decision_is_told_over_http(
    client: Client, ask: Ask, items: Items, make_key: Key
) -> None:
    prediction = ask(items[0])
    headers = make_key("predict", "read")

    first = post(client, prediction, {"routing": STEPS}, headers)
    again = post(client, prediction, {"routing": STEPS}, headers)
    listed = client.get(f"{BASE}outcomes/?verdict=corrected", headers=headers).json()["results"]
    detail = client.get(f"{BASE}{prediction.pk}/", headers=headers).json()

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json() == listed[0] == detail["outcomes"][0]
    assert first.json()["routing"][1]["sequence"] == 20


def test_who_may_decide_and_of_what(client: Client, ask: Ask, items: Items, make_key: Key) -> None:
    prediction = ask(items[0])
    body = {"accepted": True}

    assert post(client, prediction, body, {}).status_code == 401
    assert post(client, prediction, body, make_key("read")).status_code == 403
    assert post(client, prediction, [], make_key("predict")).status_code == 422
    prediction.pk = "00000000-0000-7000-8000-000000000000"
    assert post(client, prediction, body, make_key("predict")).status_code == 404


# --- The next data set ----------------------------------------------------------------------------
@pytest.fixture
def worker(celery_worker: Callable[..., Worker]) -> Worker:
    return celery_worker("interactive")


def collected(**given: Any) -> Run:
    run = dispatch.collect_labelled(name="Next", actor=ACTOR, model_name=MODEL_NAME, **given)
    wait_for(lambda: Run.objects.get(pk=run.pk).is_terminal, 60)
    run.refresh_from_db()
    return run


def test_decided_items_become_the_next_data_set(
    worker: Worker, dataset: Dataset, ask: Ask, items: Items, small_model: SmallModel
) -> None:
    known = as_item(small_model.unseen, 0)
    decide(ask(known), routing=STEPS)
    decide(ask({**items[1], "item_code": None}), accepted=True, item_code="N-8")
    nameless = ask({"item_type": "PIN", "material": "SM45C", "length_mm": 50})
    decide(nameless, routing=STEPS)

    run = collected(base=dataset)

    assert (run.state, run.error_message) == (State.SUCCEEDED, "")
    made = Dataset.objects.get(pk=run.result["dataset"])
    assert made.lineage["n_outcomes"] == 3
    assert made.lineage["n_accepted"] == 1
    assert made.lineage["base"] == dataset.pk
    assert made.n_rows == dataset.n_rows + 2
    assert made.is_synthetic
    table, routings = datasets.load(made)
    primary = routings.primary()
    assert primary[known["item_code"]].operations == ("SAW", "INSPECT")
    assert primary["N-8"].operations
    code = f"P-{nameless.pk}"
    assert primary[code].work_centers == ("S-1", "Q-1")
    names = dict(zip(table.codes(), table.columns()["item_name"].tolist(), strict=True))
    assert names[code] == code
    before = datasets.load(dataset)[1].primary()
    untouched = [one for one in before if one != known["item_code"]]
    assert all(primary[one].operations == before[one].operations for one in untouched)


def test_without_a_decision_there_is_no_data_set(
    worker: Worker, transactional_db: None, ask: Ask, items: Items
) -> None:
    ask(items[0])

    run = collected()

    assert (run.state, run.error_code) == (State.FAILED, "no_outcomes")
    assert not Dataset.objects.exists()


def test_a_base_of_another_kind_is_refused(dataset: Dataset) -> None:
    with pytest.raises(InvalidInput, match="learns from"):
        dispatch.collect_labelled(name="Next", actor=ACTOR, base=dataset)

    assert not Run.objects.exists()
