"""Data quality on pages and over the API; expectations are changed by people with a reason."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from monitoring.models import Expectation, QualityWindow, QuarantinedRow, Rule
from monitoring.services.quality import checking, editing, quarantine
from monitoring.tasks import quality as tasks
from portal.core import keys, refused
from portal.core.actors import Actor
from portal.core.errors import InvalidInput, Refused
from portal.core.models import AuditEntry, User
from portal.core.refused import Batch, Fault
from portal.registry.models import ModelVersion
from portal.runs import services
from portal.runs.models import Run, State
from portal.runs.tasks import perform
from tests.console.conftest import person, signed_in
from tests.monitoring.quality.conftest import NOW, SCOPE, send, shots

__all__ = ["person", "signed_in"]
SYSTEM = Actor.system("tests")
BOARD = "admin:monitoring_qualitywindow_changelist"
pytestmark = pytest.mark.django_db


@pytest.fixture
def troubled(champion: ModelVersion, redis_client: object) -> ModelVersion:
    """Give a line whose temperature is missing in every second row, and a refused row."""
    send(champion, [{**row, "Temp": None} if i % 2 else row for i, row in enumerate(shots(100))])
    fault = Fault(3, "Pressure", "out_of_range", "Pressure is 9000 bar: too much.")
    refused.note(Batch(SCOPE, "key:1", [fault], 5, 1, 1, {3: '{"Pressure":9000}'}, "r-77"))
    quarantine.collect()
    checking.check(now=NOW)
    return champion


@pytest.fixture
def caller(person: Callable[..., User]) -> Client:
    """Give a program with a key that may read."""
    owner = person("administrator", is_superuser=True)
    _key, plain = keys.create_key(user=owner, name="reads", scopes=["read"], actor=SYSTEM)
    return Client(headers={"authorization": f"Bearer {plain}"})


def expectation(column: str = "Temp", rule: str = Rule.NULLS) -> Expectation:
    return Expectation.objects.get(scope=SCOPE, column=column, rule=rule)


# --- Pages ----------------------------------------------------------------------------------------


def test_the_board_shows_every_source_and_what_is_wrong(
    troubled: ModelVersion, signed_in: Callable[..., Client]
) -> None:
    page = signed_in("viewer").get(reverse(BOARD)).text
    assert "Temp: Missing values 50.0 %, at most 2.0 % is expected" in page
    assert "all sources" in page


def test_the_page_of_a_source_draws_missing_values_over_time(
    troubled: ModelVersion, signed_in: Callable[..., Client]
) -> None:
    url = reverse("admin:monitoring_qualitywindow_source")
    page = signed_in("viewer").get(url, {"scope": SCOPE, "source": "key:1"}).text
    assert "mw-heat-over" in page
    assert "out_of_range" in page
    assert signed_in("viewer").get(url, {"scope": SCOPE, "days": "7"}).status_code == 200
    assert signed_in("viewer").get(url, {"scope": SCOPE, "source": "key:99"}).status_code == 404


def test_a_refused_row_shows_its_reason_and_what_came(
    troubled: ModelVersion, signed_in: Callable[..., Client]
) -> None:
    client = signed_in("viewer")
    row = QuarantinedRow.objects.get()
    listed = client.get(reverse("admin:monitoring_quarantinedrow_changelist")).text
    page = client.get(reverse("admin:monitoring_quarantinedrow_change", args=[row.pk])).text
    assert "Pressure is 9000 bar" in listed
    assert "Pressure is 9000 bar" in page
    assert "outside the limits" in listed
    assert "outside the limits" in page
    assert re.search(r"<dt>Pressure</dt><dd[^>]*>9,000</dd>", page)


@pytest.mark.parametrize("name", ["qualitywindow", "expectation", "quarantinedrow"])
def test_whoever_may_not_see_is_sent_away(name: str, signed_in: Callable[..., Client]) -> None:
    url = reverse(f"admin:monitoring_{name}_changelist")
    assert signed_in("nobody").get(url).status_code == 403
    assert signed_in("viewer").get(url).status_code == 200


# --- Changed by people ----------------------------------------------------------------------------


def test_an_administrator_sets_a_limit_and_gives_it_back(
    troubled: ModelVersion, signed_in: Callable[..., Client]
) -> None:
    client = signed_in("administrator")
    url = reverse("admin:monitoring_expectation_limits", args=[expectation().pk])
    assert client.get(url).status_code == 200
    client.post(url, {"max_share": "0.6", "is_enabled": "on", "reason": "Broken until May."})
    assert expectation().limits == {"max_share": 0.6}
    assert AuditEntry.objects.filter(action="expectation.change").count() == 1
    client.post(url, {"is_learned": "on", "max_share": "0.6", "is_enabled": "on", "reason": "OK."})
    assert (expectation().is_edited, expectation().limits) == (False, {"max_share": 0.02})


def test_a_list_of_values_is_taken_and_nonsense_is_named(
    troubled: ModelVersion, signed_in: Callable[..., Client]
) -> None:
    client = signed_in("administrator")
    row = expectation("Product_Type", Rule.CATEGORY)
    url = reverse("admin:monitoring_expectation_limits", args=[row.pk])
    given = {"max_share": "0.01", "is_enabled": "on", "reason": "A new product."}
    assert "is no list of numbers" in client.post(url, {**given, "allowed": "1; x"}).text
    client.post(url, {**given, "allowed": "1, 2, 3"})
    assert expectation("Product_Type", Rule.CATEGORY).limits["allowed"] == [1, 2, 3]


def test_an_operator_may_look_and_not_change(
    troubled: ModelVersion, person: Callable[..., User], signed_in: Callable[..., Client]
) -> None:
    actor = Actor.of_user(person("operator"), via="person")
    with pytest.raises(Refused):
        editing.change(
            expectation=expectation(), limits=None, is_enabled=False, reason="no", actor=actor
        )
    page = reverse("admin:monitoring_expectation_change", args=[expectation().pk])
    assert signed_in("operator").get(page).status_code == 200


@pytest.mark.parametrize(
    ("rule", "limits", "field"),
    [
        (Rule.NULLS, {"max_share": 1.5}, "max_share"),
        (Rule.NULLS, {"max_share": None}, "max_share"),
        (Rule.NULLS, {"max_share": float("nan")}, "max_share"),
        (Rule.RANGE, {"low": 5.0, "high": 1.0, "max_share": 0.1}, "low"),
        (Rule.CATEGORY, {"allowed": [], "max_share": 0.1}, "allowed"),
        (Rule.FRESHNESS, {"max_age_s": 0.0}, "max_age_s"),
        (Rule.VOLUME, {"max_share": 0.1}, "max_share"),
    ],
)
def test_limits_that_make_no_sense_are_refused(
    rule: str, limits: dict[str, Any], field: str, person: Callable[..., User]
) -> None:
    row = Expectation.objects.create(scope=SCOPE, column="Temp", rule=rule)
    actor = Actor.of_user(person("administrator"), via="person")
    with pytest.raises(InvalidInput) as caught:
        editing.change(expectation=row, limits=limits, is_enabled=True, reason="x", actor=actor)
    assert [problem.field for problem in caught.value.problems] == [field]


def test_what_a_person_switched_off_is_not_checked(champion: ModelVersion) -> None:
    Expectation.objects.create(
        scope=SCOPE, column="Temp", rule=Rule.NULLS, learned={"max_share": 0.0}, is_enabled=False
    )
    send(champion, [{**row, "Temp": None} for row in shots(60)])
    checking.check()
    assert QualityWindow.objects.get(source="key:1").failures == []


# --- Over the API and as a run --------------------------------------------------------------------


def test_the_api_tells_sources_shares_expectations_and_refused_rows(
    troubled: ModelVersion, caller: Client
) -> None:
    board = caller.get("/api/v1/data-quality/").json()
    assert {one["source"] for one in board["sources"]} >= {"", "key:1"}
    nulls = caller.get("/api/v1/data-quality/nulls/", {"scope": SCOPE, "source": "key:1"}).json()
    temp = next(line for line in nulls["lines"] if line["column"] == "Temp")
    assert 0.5 in temp["shares"]
    query = {"column": "Temp", "rule": "nulls"}
    (row,) = caller.get("/api/v1/data-quality/expectations/", query).json()["results"]
    assert row["limits"] == {"max_share": 0.02}
    (bad,) = caller.get("/api/v1/data-quality/quarantine/", {"scope": SCOPE}).json()["results"]
    assert (bad["rule"], bad["row"]) == ("out_of_range", '{"Pressure":9000}')


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 422),
        ({"scope": "live:nobody", "source": "x"}, 404),
        ({"scope": SCOPE, "hours": "99999"}, 422),
        ({"scope": SCOPE, "sauce": "x"}, 422),
    ],
)
def test_the_api_names_what_is_wrong_with_a_question(
    query: dict[str, str], status: int, caller: Client
) -> None:
    answer = caller.get("/api/v1/data-quality/nulls/", query)
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")


@pytest.mark.django_db(transaction=True)
def test_the_check_is_a_run(champion: ModelVersion) -> None:
    send(champion, shots(40))
    run = services.enqueue(kind=tasks.CHECK, actor=SYSTEM)
    perform(str(run.pk), worker="tests:1")
    done = Run.objects.get(pk=run.pk)
    assert (done.state, done.result["n_windows"]) == (State.SUCCEEDED, 1)
