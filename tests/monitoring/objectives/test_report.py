"""The monthly report on objectives, and the runs that measure and write."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from monitoring import dispatch
from monitoring.selectors import objectives as selectors
from monitoring.services import series
from monitoring.services.objectives import definitions, report
from monitoring.tasks import objectives as tasks
from portal.core.errors import InvalidInput
from portal.runs import artifacts, services
from portal.runs.models import State
from portal.runs.services import schedules
from portal.runs.tasks import perform
from tests.monitoring.objectives.counting import SYSTEM, count

pytestmark = pytest.mark.django_db


def test_a_month_ends_where_the_next_begins() -> None:
    since, until = report.month_named("2026-12")
    assert (since.year, since.month, until.year, until.month) == (2026, 12, 2027, 1)
    assert report.month_before(since + timedelta(days=3))[1] == since
    assert timezone.localtime(report.month_before(until)[0]) == since


@pytest.mark.parametrize("text", ["2026-13", "2026-1", "26-01", "x", "2026-00", ""])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no month"):
        report.month_named(text)


@pytest.mark.django_db(transaction=True)
def test_the_report_is_written_in_korean_and_english() -> None:
    count(series.REQUESTS, 10)
    this_month = f"{timezone.localtime():%Y-%m}"
    run = dispatch.monthly_report(actor=SYSTEM, month=this_month)
    perform(str(run.pk), worker="tests:1")
    run.refresh_from_db()
    assert run.state == State.SUCCEEDED, run.error_message
    files = {one.name: one.artifact_id for one in run.run_artifacts.all()}
    assert set(files) == {
        f"report-{this_month}.{language}.{kind}"
        for language in ("ko", "en")
        for kind in ("html", "pdf")
    }
    english = artifacts.read(files[f"report-{this_month}.en.html"]).decode()
    korean = artifacts.read(files[f"report-{this_month}.ko.html"]).decode()
    assert "Availability" in english
    assert "가용성" in korean
    assert "Not measured yet" in english
    assert "http://" not in english.replace("http://www.w3.org", "")
    assert artifacts.read(files[f"report-{this_month}.ko.pdf"]).startswith(b"%PDF")
    (written,) = selectors.reports(3)
    assert {language: len(found) for language, found in written.files.items()} == {"ko": 2, "en": 2}


def test_a_report_of_no_month_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no month"):
        dispatch.monthly_report(actor=SYSTEM, month="soon")


@pytest.mark.django_db(transaction=True)
def test_the_hourly_run_measures_everything() -> None:
    run = services.enqueue(kind=tasks.EVALUATE, actor=SYSTEM)
    perform(str(run.pk), worker="tests:1")
    run.refresh_from_db()
    assert run.state == State.SUCCEEDED
    assert run.result == {"unmeasured": len(definitions.ALL)}


def test_both_are_scheduled_and_roles_may_look() -> None:
    schedules.ensure_declared()
    planned = {plan.kind for plan in schedules._plans.values()}
    assert {tasks.EVALUATE, selectors.REPORT} <= planned
    for group in Group.objects.filter(name__in=("viewer", "operator", "approver")):
        names = set(group.permissions.values_list("codename", flat=True))
        assert "view_objective" in names
        assert "change_objective" not in names
