"""The assistant: what it tells of a prediction and of documents, and the steps it took."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from portal.core.models import Scope
from portal.core.roles import VIEWER
from portal.lib import clock
from predictions.models import Explanation, Prediction
from search.models import Collection
from tests.console import world
from tests.search.api.conftest import (  # noqa: F401 - fixtures
    Key,
    fresh_service,
    indexed,
    make_key,
    opened,
)
from tests.search.conftest import collection, english, followed  # noqa: F401 - fixtures

PATH = "/api/v1/assistant/"
pytestmark = pytest.mark.django_db

Ask = Callable[..., Any]


@pytest.fixture
def ask(client: Client, make_key: Key, indexed: Collection) -> Ask:  # noqa: F811 - a fixture
    def ask(*scopes: str, **body: Any) -> Any:
        headers = make_key(*(scopes or (Scope.SEARCH, Scope.READ)), role=VIEWER)
        content = json.dumps({"collection": "defects"} | body)
        return client.post(PATH, content, content_type="application/json", headers=headers)

    return ask


@pytest.fixture
def prediction(db: None) -> Prediction:
    """Give a recorded prediction with its explanation."""
    version = world.version(world.model(), world.artifact(), number=1)
    made = Prediction.objects.create(
        id=uuid4(),
        version=version,
        at=clock.now(),
        features={"Velocity_1": 0.144, "Casting_Pressure": 700.0},
        probability=0.83,
        predicted_class="defect",
        confidence="high",
        latency_ms=1.0,
    )
    Explanation.objects.create(
        prediction_id=made.pk,
        method="test",
        base_value=-1.2,
        margin=1.6,
        probability=0.83,
        importance={"Velocity_1": 0.9, "Casting_Pressure": -0.4},
    )
    return made


def test_a_general_question_is_answered_with_sources_and_steps(ask: Ask) -> None:
    body = ask(question="수축공은 왜 생기나요?").json()
    assert "용탕 보충이 모자라" in body["answer"]
    assert body["sources"][0]["document"]["external_id"] == "shrinkage"
    assert [(step["name"], step["status"]) for step in body["steps"]] == [
        ("retrieve", "done"),
        ("answer", "done"),
    ]


def test_a_question_about_a_prediction_tells_what_was_predicted_and_why(
    ask: Ask, prediction: Prediction
) -> None:
    answer = ask(question="수축공은 왜 생기나요?", prediction_id=str(prediction.pk))
    body = answer.json()
    assert answer.status_code == 200, answer.content
    assert [step["name"] for step in body["steps"]] == ["predict", "explain", "retrieve", "answer"]
    assert body["steps"][0]["facts"]["probability"] == 0.83
    assert body["steps"][1]["facts"]["top_features"] == {"Velocity_1": 0.9}
    assert "83.0%" in body["answer"]
    assert "Velocity_1" in body["answer"]


def test_a_question_why_a_defect_occurs_is_answered_before_any_value_of_the_shot(
    ask: Ask, prediction: Prediction
) -> None:
    body = ask(question="기포 결함은 왜 생기나요?", prediction_id=str(prediction.pk)).json()
    assert body["kind"] == "extractive"
    assert body["sources"][0]["document"]["external_id"] == "blow-hole"
    assert "공기가 빠지지 못해 생긴다" in body["answer"]
    assert [step["name"] for step in body["steps"]].count("retrieve") == 1


def test_what_the_documents_do_not_answer_leaves_the_facts_and_a_reason(
    ask: Ask, prediction: Prediction
) -> None:
    body = ask(question="주가는 오를까요?", prediction_id=str(prediction.pk)).json()
    assert (body["kind"], bool(body["reason"])) == ("refused", True)
    assert "83.0%" in body["answer"]
    assert [step["name"] for step in body["steps"]].count("retrieve") == 2


def test_a_question_that_nothing_answers_is_refused(ask: Ask) -> None:
    body = ask(question="금형 회사의 주가 전망과 배당은 어떤가요?").json()
    assert (body["answer"], body["kind"]) == (None, "refused")
    assert body["reason"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"question": ""}, 422),
        ({"question": None}, 422),
        ({"prediction_id": "x"}, 422),
        ({"prediction_id": 7}, 422),
        ({"prediction_id": "00000000-0000-7000-8000-000000000000"}, 404),
        ({"collection": "nothing"}, 404),
        ({"mood": "kind"}, 422),
    ],
)
def test_a_wrong_question_is_refused(ask: Ask, change: dict[str, Any], status: int) -> None:
    answer = ask(**({"question": "기포"} | change))
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"


def test_a_prediction_is_shown_only_to_who_may_read_it(ask: Ask, prediction: Prediction) -> None:
    question = {"question": "왜?", "prediction_id": str(prediction.pk)}
    assert ask(Scope.SEARCH, **question).status_code == 403
    assert ask(Scope.SEARCH, Scope.PREDICT, **question).status_code == 200
