"""Schedules on their page: run now, on and off, change, and the beat's own tables."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import PeriodicTasks

from portal.runs import services
from portal.runs.models import Run, Schedule


@pytest.fixture
def schedule(db: None) -> Schedule:
    return services.ensure_schedule(name="nightly", kind="portal.selftest", crontab="30 3 * * *")


def url(name: str, schedule: Schedule) -> str:
    return reverse(f"admin:runs_schedule_{name}", args=[schedule.pk])


def test_run_now_leads_to_the_run(signed_in: Callable[..., Client], schedule: Schedule) -> None:
    answer = signed_in("administrator").post(url("run_now", schedule))
    run = Run.objects.get()
    assert answer.headers["Location"] == reverse("admin:runs_run_change", args=[run.pk])


def test_reading_run_now_starts_nothing(
    signed_in: Callable[..., Client], schedule: Schedule
) -> None:
    signed_in("administrator").get(url("run_now", schedule))
    assert not Run.objects.exists()


def test_switching_off_tells_the_beat(signed_in: Callable[..., Client], schedule: Schedule) -> None:
    before = PeriodicTasks.last_change()
    client = signed_in("administrator")
    answer = client.post(url("switch", schedule), {"enabled": "0"}, follow=True)
    schedule.refresh_from_db()
    assert not schedule.periodic_task.enabled
    assert PeriodicTasks.last_change() != before
    assert "never, it is off" in answer.text


def test_a_change_of_time_keeps_the_zone(
    signed_in: Callable[..., Client], schedule: Schedule
) -> None:
    client = signed_in("administrator")
    form = client.get(url("edit", schedule)).context["form"]
    client.post(url("edit", schedule), form.initial | {"crontab": "0 5 * * *", "interval_s": ""})
    schedule = Schedule.objects.get(pk=schedule.pk)
    crontab = schedule.periodic_task.crontab
    assert (crontab.minute, crontab.hour, str(crontab.timezone)) == ("0", "5", "Asia/Seoul")


def test_a_broken_crontab_is_a_message(
    signed_in: Callable[..., Client], schedule: Schedule
) -> None:
    client = signed_in("administrator")
    form = client.get(url("edit", schedule)).context["form"]
    answer = client.post(url("edit", schedule), form.initial | {"crontab": "x", "interval_s": ""})
    assert answer.status_code == 200
    assert "is not five fields" in answer.text


def test_a_viewer_may_not_touch_a_schedule(
    signed_in: Callable[..., Client], schedule: Schedule
) -> None:
    client = signed_in("viewer")
    assert client.get(url("change", schedule)).status_code == 200
    for name in ("run_now", "switch", "edit"):
        assert client.post(url(name, schedule)).status_code == 403


def test_the_beats_own_page_shows_the_entry(
    signed_in: Callable[..., Client], schedule: Schedule
) -> None:
    client = signed_in("administrator", is_superuser=True)
    page = reverse("admin:django_celery_beat_periodictask_change", args=[schedule.periodic_task_id])
    answer = client.get(page)
    assert answer.status_code == 200
    assert 'name="regtask"' in answer.text
