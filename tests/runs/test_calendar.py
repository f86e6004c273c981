"""A week of schedules: what will start, what started, what was missed."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse

from portal.lib import clock
from portal.runs import services
from portal.runs.models import Run, Schedule, ScheduleSlot, State
from portal.runs.services import calendar, schedules
from portal.runs.services.schedules import Plan
from tests.console.conftest import person, signed_in  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db
MONDAY = date(2026, 3, 2)
NOW = datetime(2026, 3, 4, 3, 0, tzinfo=UTC)  # noon on Wednesday in Seoul


@pytest.fixture
def nightly() -> Schedule:
    made: Schedule = services.ensure_schedule(
        name="nightly", kind="portal.selftest", crontab="30 3 * * *", zone="Asia/Seoul"
    )
    return made


def slot(schedule: Schedule, day: int, outcome: str, run: Run | None = None) -> None:
    due = datetime(2026, 3, day, 3, 30, tzinfo=UTC) - timedelta(hours=9)
    ScheduleSlot.objects.create(schedule=schedule, due_at=due, outcome=outcome, run=run)


def test_a_week_holds_what_ran_was_missed_and_comes(nightly: Schedule) -> None:
    failed = Run.objects.create(
        kind="portal.selftest", queue="train", state=State.FAILED, finished_at=clock.now()
    )
    slot(nightly, 2, "missed")
    slot(nightly, 3, "started", failed)
    slot(nightly, 4, "started")
    days = calendar.week(MONDAY, NOW)
    own = [
        next((entry for entry in day.entries if entry.schedule == nightly), None) for day in days
    ]
    assert [(one.n_missed, one.n_failed, one.n_started, one.n_coming) for one in own if one] == [
        (1, 0, 0, 0),
        (0, 1, 0, 0),
        (0, 0, 1, 0),
        *[(0, 0, 0, 1)] * 4,
    ]
    assert [day.is_today for day in days] == [False, False, True, False, False, False, False]


def test_a_schedule_that_is_off_has_nothing_to_come(nightly: Schedule) -> None:
    nightly.periodic_task.enabled = False
    nightly.periodic_task.save()
    days = calendar.week(MONDAY, NOW)
    assert not [entry for day in days for entry in day.entries if entry.schedule == nightly]


def test_many_due_times_of_a_day_are_one_entry() -> None:
    often = schedules.ensure(
        Plan(name="often", kind="portal.selftest", interval=timedelta(minutes=10))
    )
    Schedule.objects.filter(pk=often.pk).update(anchor_at=datetime(2026, 3, 1, tzinfo=UTC))
    friday = calendar.week(MONDAY, NOW)[4]
    (entry,) = [one for one in friday.entries if one.schedule == often]
    assert entry.n_coming == 144


def test_the_page_shows_the_week_and_names_a_bad_date(
    nightly: Schedule,
    signed_in: Callable[..., Client],  # noqa: F811 - a fixture
) -> None:
    client = signed_in("viewer")
    address = reverse("admin:runs_schedule_calendar")
    assert client.get(address).status_code == 200
    following = (clock.now() + timedelta(days=7)).date().isoformat()
    page = client.get(address, {"week": following})
    assert "nightly" in page.text
    assert client.get(address, {"week": "2026-03-04"}).context["first"] == MONDAY
    for given in ("soon", "0001-01-01"):
        wrong = client.get(address, {"week": given})
        assert wrong.status_code == 422
        assert given in wrong.text
    listed = client.get(reverse("admin:runs_schedule_changelist")).text
    assert address in listed
