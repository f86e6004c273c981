"""What machines and runs use, on pages and over the API."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from monitoring.models import UsageReading
from monitoring.models.usage import of_host, of_run
from monitoring.services import usage
from portal.core import keys
from portal.core.actors import Actor
from portal.core.models import User
from portal.lib import clock
from portal.runs.models import Run
from tests.console.conftest import person, signed_in

__all__ = ["person", "signed_in"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def caller(person: Callable[..., User]) -> Client:
    """Give a program with a key that may read."""
    owner = person("administrator", is_superuser=True)
    _key, plain = keys.create_key(
        user=owner, name="reads", scopes=["read"], actor=Actor.of_user(owner, via="command")
    )
    return Client(headers={"authorization": f"Bearer {plain}"})


@pytest.fixture
def run() -> Run:
    """Give a run that has worked for ten minutes, with a reading of each, and its machine's."""
    started = clock.now() - timedelta(minutes=10)
    made = Run.objects.create(kind="portal.selftest", queue="train", started_at=started)
    for n in range(10):
        for subject, free in ((of_run(made.pk), None), (of_host("press-hall-1"), 5 << 30)):
            UsageReading.objects.create(
                subject=subject,
                at=started + timedelta(minutes=n),
                cpu_cores=n / 4,
                memory_bytes=(n + 1) << 20,
                read_bytes_s=0,
                written_bytes_s=1 << 10,
                free_bytes=free,
            )
    usage.sum_up()
    return made


def test_the_page_of_a_run_draws_what_it_used(run: Run, signed_in: Callable[..., Client]) -> None:
    page = signed_in("viewer").get(reverse("admin:runs_run_change", args=[run.pk])).text
    assert 'id="usage"' in page
    assert page.count('<svg class="mw-spark"') >= 3
    assert "2.25 cores" in page
    assert "10.0 MiB" in page


def test_the_page_of_a_run_without_readings_shows_no_empty_box(
    signed_in: Callable[..., Client],
) -> None:
    bare = Run.objects.create(kind="portal.selftest", queue="train")
    page = signed_in("viewer").get(reverse("admin:runs_run_change", args=[bare.pk])).text
    assert 'id="usage"' not in page


def test_the_dashboard_shows_the_machines(run: Run, signed_in: Callable[..., Client]) -> None:
    page = signed_in("viewer").get(reverse("admin:index")).text
    assert "press-hall-1" in page
    assert "5.0 GiB" in page


def test_the_dashboard_says_when_nothing_was_read(signed_in: Callable[..., Client]) -> None:
    assert "No worker has read" in signed_in("viewer").get(reverse("admin:index")).text


def test_the_api_tells_of_machines_and_of_a_run(run: Run, caller: Client) -> None:
    (machine,) = caller.get("/api/v1/resources/").json()["results"]
    assert (machine["name"], len(machine["points"])) == ("press-hall-1", 10)
    assert machine["points"][0]["free_bytes"] == 5 << 30
    (course,) = caller.get(f"/api/v1/resources/?run={run.pk}").json()["results"]
    assert (course["name"], course["cpu_cores_max"]) == (str(run.pk), 2.25)


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("?hours=0", 422, "invalid_input"),
        ("?hours=99999999999999999999", 422, "invalid_input"),
        ("?hours=many", 422, "invalid_input"),
        ("?run=nonsense", 422, "invalid_input"),
        ("?houres=3", 422, "invalid_input"),
        (f"?run={uuid.UUID(int=7)}", 404, "not_found"),
    ],
)
def test_a_senseless_question_is_refused(
    caller: Client, query: str, status: int, code: str
) -> None:
    answer = caller.get(f"/api/v1/resources/{query}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_stranger_sees_nothing(client: Client, run: Run) -> None:
    answer: Any = client.get("/api/v1/resources/")
    assert answer.status_code == 401
