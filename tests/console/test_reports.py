"""The weekly report, and the screen on the wall."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from portal.console import dispatch
from portal.console.services import weekly
from portal.console.tasks import WEEKLY
from portal.core.actors import Actor
from portal.core.errors import InvalidInput
from portal.core.models import Notice
from portal.lib import clock
from portal.lib.documents import Heading, Table, render
from portal.registry.models import AliasMove
from portal.runs.models import Run, State
from portal.runs.services import schedules
from portal.runs.tasks import perform

pytestmark = pytest.mark.django_db
MONDAY = date(2026, 3, 2)


def test_the_week_before_begins_on_a_monday() -> None:
    sunday_evening = datetime(2026, 3, 8, 14, tzinfo=UTC)  # 23:00 in Seoul
    assert weekly.week_before(sunday_evening) == date(2026, 2, 23)
    assert weekly.week_before(sunday_evening + timedelta(hours=2)) == MONDAY
    assert weekly.week_named("2026-03-05") == MONDAY


@pytest.mark.parametrize("language", weekly.LANGUAGES)
def test_a_week_without_anything_makes_a_whole_report(language: str) -> None:
    made = weekly.document(MONDAY, language)
    headings = [block.text for block in made.blocks if isinstance(block, Heading)]
    assert len(headings) == 6
    page = render(made, "html")[0].decode()
    assert f'lang="{language}"' in page
    assert ("주간 모델 보고서" in page) == (language == "ko")
    assert render(made, "pdf")[0].startswith(b"%PDF-")


def test_what_went_live_stands_in_the_report(champion: AliasMove) -> None:
    monday = weekly.week_before(clock.now() + timedelta(days=7))
    tables = [one for one in weekly.document(monday, "en").blocks if isinstance(one, Table)]
    cells = [cell for table in tables for row in table.rows for cell in row]
    assert str(champion.to_version) in cells


@pytest.mark.django_db(transaction=True)
def test_the_run_writes_four_files_and_tells_of_them() -> None:
    run = dispatch.weekly_report(actor=Actor.system("test"), week="2026-03-02")
    perform(str(run.pk), worker="tests:1")
    run.refresh_from_db()
    assert run.state == State.SUCCEEDED, run.error_message
    names = {one.name for one in run.run_artifacts.all()}
    assert names == {f"week-2026-03-02.{one}" for one in ("ko.html", "ko.pdf", "en.html", "en.pdf")}
    told = Notice.objects.get(kind="report.written")
    assert str(run.pk) in told.url


def test_the_report_is_asked_for_on_the_page_and_by_command(
    signed_in: Callable[..., Client],
) -> None:
    client = signed_in("operator")
    address = reverse("console:reports")
    assert "No report yet" in client.get(address).text
    assert client.post(address, {"week": "2026-03-05"}).status_code == 302
    assert Run.objects.get(kind=WEEKLY).parameters == {"week": "2026-03-02"}
    call_command("weekly_report", "--no-wait", "--week", "2026-03-05")
    assert Run.objects.filter(kind=WEEKLY).count() == 2


def test_a_week_that_is_none_is_named(signed_in: Callable[..., Client]) -> None:
    answer = signed_in("operator").post(reverse("console:reports"), {"week": "soon"})
    assert answer.status_code == 422
    assert "“soon” is no date" in answer.text
    with pytest.raises(InvalidInput, match="is no date"):
        dispatch.weekly_report(actor=Actor.system("test"), week="1999-01-01")
    with pytest.raises(CommandError, match="is no date"):
        call_command("weekly_report", "--week", "soon")


def test_a_viewer_reads_reports_and_orders_none(signed_in: Callable[..., Client]) -> None:
    client = signed_in("viewer")
    page = client.get(reverse("console:reports"))
    assert page.status_code == 200
    assert "Write the report" not in page.text
    assert client.post(reverse("console:reports")).status_code == 403


def test_the_report_is_due_on_monday_morning() -> None:
    schedules.ensure_declared()
    plan = schedules._plans["weekly-report"]
    assert (plan.kind, plan.crontab) == (WEEKLY, "0 7 * * 1")


def test_the_wall_shows_few_figures_and_loads_no_framework(
    signed_in: Callable[..., Client], champion: AliasMove
) -> None:
    page = signed_in("viewer").get(reverse("console:wall"))
    assert page.status_code == 200
    assert "Shots today" in page.text
    assert champion.to_version is not None
    assert f"v{champion.to_version.number}" in page.text
    assert page.text.count("<script") == 1
