"""Objectives on pages and over the API: told, and changed by people with a reason."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from monitoring.services import series
from monitoring.services.objectives import definitions, evaluating
from portal.core import keys
from portal.core.actors import Actor
from portal.core.models import AuditEntry, User
from tests.monitoring.objectives.counting import count, measured, objective

pytestmark = pytest.mark.django_db


# --- Pages ----------------------------------------------------------------------------------------


def test_the_board_shows_every_objective_and_what_is_not_measured(
    signed_in: Callable[..., Client],
) -> None:
    count(series.REQUESTS, 1_000)
    count(series.ERRORS, 500)
    evaluating.evaluate_all()
    page = signed_in("viewer").get(reverse("admin:monitoring_objective_changelist")).text
    for known in definitions.ALL:
        assert str(known.title) in page
    assert "Not measured yet" in page
    assert "50.0 %" in page
    assert "1 missed" in page


def test_the_board_answers_before_anything_was_measured(signed_in: Callable[..., Client]) -> None:
    answer = signed_in("viewer").get(reverse("admin:monitoring_objective_changelist"))
    assert answer.status_code == 200
    assert "within the hour" in answer.text


def test_the_page_of_an_objective_shows_its_measurements(
    signed_in: Callable[..., Client],
) -> None:
    count(series.REQUESTS, 10)
    found = measured(definitions.AVAILABILITY)
    address = reverse("admin:monitoring_objective_change", args=[found.objective_id])
    page = signed_in("viewer").get(address).text
    assert "100.00 %" in page
    assert "Change the goal" not in page


GOAL = {"target": "0.995", "window_days": "7", "owner": "Line 3", "reason": "Agreed with quality."}


def test_an_administrator_changes_a_goal_and_the_audit_log_says_why(
    signed_in: Callable[..., Client],
) -> None:
    row = objective(definitions.AVAILABILITY)
    address = reverse("admin:monitoring_objective_goal", args=[row.pk])
    client = signed_in("administrator")
    assert client.get(address).status_code == 200
    assert client.post(address, GOAL).status_code == 302
    row.refresh_from_db()
    assert (row.target, row.window_days, row.owner) == (0.995, 7, "Line 3")
    entry = AuditEntry.objects.get(action="objective.change")
    assert (entry.outcome, entry.reason) == ("done", GOAL["reason"])
    assert entry.detail["before"]["target"] == 0.999


@pytest.mark.parametrize("role", ["viewer", "operator", "approver"])
def test_others_do_not_change_a_goal(signed_in: Callable[..., Client], role: str) -> None:
    row = objective(definitions.AVAILABILITY)
    address = reverse("admin:monitoring_objective_goal", args=[row.pk])
    assert signed_in(role).post(address, GOAL).status_code == 403


@pytest.mark.parametrize(
    "wrong",
    [
        {"target": "1.5"},
        {"target": "-1"},
        {"target": "nan"},
        {"window_days": "0"},
        {"window_days": "100000"},
        {"reason": ""},
    ],
)
def test_a_senseless_goal_is_refused(
    signed_in: Callable[..., Client], wrong: dict[str, str]
) -> None:
    row = objective(definitions.AVAILABILITY)
    address = reverse("admin:monitoring_objective_goal", args=[row.pk])
    answer = signed_in("administrator").post(address, GOAL | wrong)
    assert answer.status_code in {200, 409}
    row.refresh_from_db()
    assert row.target == 0.999


def test_costs_are_asked_for_where_they_count(signed_in: Callable[..., Client]) -> None:
    row = objective(definitions.SAVINGS)
    address = reverse("admin:monitoring_objective_goal", args=[row.pk])
    costs = {"target": "", "missed_defect": "120", "false_alarm": "4"}
    assert signed_in("administrator").post(address, GOAL | costs).status_code == 302
    row.refresh_from_db()
    assert row.parameters == {"missed_defect": 120.0, "false_alarm": 4.0}


# --- API ------------------------------------------------------------------------------------------


@pytest.fixture
def caller(person: Callable[..., User]) -> Client:
    owner = person("administrator", is_superuser=True)
    _key, plain = keys.create_key(
        user=owner, name="reads", scopes=["read"], actor=Actor.of_user(owner, via="command")
    )
    return Client(headers={"authorization": f"Bearer {plain}"})


def test_the_api_tells_every_objective(caller: Client) -> None:
    count(series.REQUESTS, 10)
    evaluating.evaluate_all()
    results = caller.get("/api/v1/objectives/").json()["results"]
    found = {one["kind"]: one for one in results}
    assert set(found) == set(definitions.BY_KIND)
    assert found[definitions.AVAILABILITY]["now"]["value"] == 1.0
    assert found[definitions.SAVINGS]["status"] == "unmeasured"
    assert found[definitions.SAVINGS]["now"]["value"] is None


def test_the_api_tells_the_history_of_one(caller: Client) -> None:
    count(series.REQUESTS, 10)
    measured(definitions.AVAILABILITY)
    body = caller.get("/api/v1/objectives/availability/").json()
    assert len(body["history"]) == 1
    answer = caller.get("/api/v1/objectives/nothing/")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "availability" in answer.json()["detail"]


def test_the_api_needs_no_more_queries_for_more_measurements(
    caller: Client, django_assert_max_num_queries: Any
) -> None:
    for _ in range(3):
        evaluating.evaluate_all()
    caller.get("/api/v1/objectives/")
    with django_assert_max_num_queries(6):
        caller.get("/api/v1/objectives/")
