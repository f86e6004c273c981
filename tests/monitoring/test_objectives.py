"""Objectives: measured from what was recorded, judged, told, changed by people with a reason."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from monitoring import dispatch
from monitoring.models import (
    Measurement,
    Objective,
    SeriesHour,
    SeriesMinute,
    UsageMinute,
)
from monitoring.selectors import objectives as selectors
from monitoring.services import series
from monitoring.services.objectives import burning, definitions, evaluating, measures, report
from monitoring.services.objectives.measures import Measure
from monitoring.tasks import objectives as tasks
from portal.core import keys
from portal.core.actors import Actor
from portal.core.errors import InvalidInput
from portal.core.models import Alert, AuditEntry, User
from portal.lib import clock
from portal.runs import artifacts, services
from portal.runs.models import Run, State
from portal.runs.services import schedules
from portal.runs.tasks import perform
from tests.console.conftest import person, signed_in

__all__ = ["person", "signed_in"]
Status = Measurement.Status
SYSTEM = Actor.system("tests")
pytestmark = pytest.mark.django_db


def objective(kind: str) -> Objective:
    return {row.kind: row for row in evaluating.ensure()}[kind]


def count(name: str, n: float, *, minutes_ago: float = 1, buckets: Any = None) -> None:
    at = (clock.now() - timedelta(minutes=minutes_ago)).replace(second=0, microsecond=0)
    row, _new = SeriesMinute.objects.get_or_create(
        name=name, at=at, source="a", defaults={"count": 0, "buckets": buckets or {}}
    )
    SeriesMinute.objects.filter(name=name, at=at).update(count=row.count + n)


def measured(kind: str) -> Measurement:
    return evaluating.evaluate(objective(kind), clock.now())


# --- Measured from what there is ------------------------------------------------------------------


def test_an_empty_portal_measures_nothing_and_says_why_of_each() -> None:
    found = evaluating.evaluate_all()
    assert {one.status for one in found} == {Status.UNMEASURED}
    assert all(one.value is None for one in found)
    assert {one.reason for one in found} <= set(definitions.REASONS)


def test_availability_counts_what_failed_against_its_budget() -> None:
    count(series.REQUESTS, 10_000)
    count(series.ERRORS, 5)
    found = measured(definitions.AVAILABILITY)
    assert (found.status, found.n) == (Status.MET, 10_000)
    assert found.value == pytest.approx(0.9995)
    assert found.budget_left == pytest.approx(0.5)


def test_what_lies_before_the_kept_minutes_is_taken_from_the_hours() -> None:
    count(series.REQUESTS, 100)
    old = clock.now() - timedelta(days=10)
    SeriesHour.objects.create(name=series.REQUESTS, source="a", at=old, count=900)
    since = clock.now() - timedelta(days=30)
    assert measures.counted(series.REQUESTS, since, clock.now()) == 1_000


def test_a_percentile_is_that_of_the_window_and_slow_answers_spend_its_budget() -> None:
    count(series.PREDICTION_LATENCY, 1_000, buckets={"0.01": 990, "0.25": 10})
    found = measured(definitions.PREDICTION_P99)
    assert found.value == pytest.approx(0.01, abs=1e-9)
    assert found.status == Status.MET
    # One of a hundred may be slower than 25 ms, and one of a hundred is.
    assert found.budget_left == pytest.approx(0.0, abs=1e-9)


def test_buckets_of_hours_and_minutes_are_counted_once() -> None:
    now = clock.now()
    hour = now.replace(minute=0, second=0, microsecond=0)
    for ago in (1, 2):
        start = hour - timedelta(hours=ago)
        for minute in (0, 59):
            SeriesMinute.objects.create(
                name="x", source="a", at=start + timedelta(minutes=minute), count=1,
                buckets={"0.01": 1},
            )  # fmt: skip
    series.sum_up(now)
    SeriesMinute.objects.create(name="x", source="a", at=hour, count=1, buckets={"0.01": 1})
    whole = measures.spread("x", hour - timedelta(hours=2), now)
    assert sum(whole.values()) == 5
    late = measures.spread("x", hour - timedelta(hours=2) + timedelta(minutes=30), now)
    assert sum(late.values()) == 4


def test_cancelled_trainings_do_not_count() -> None:
    for state, n in ((State.SUCCEEDED, 19), (State.FAILED, 1), (State.CANCELLED, 5)):
        for _ in range(n):
            Run.objects.create(
                kind="predictions.train_quality",
                queue="train",
                state=state,
                finished_at=clock.now() - timedelta(hours=1),
            )
    found = measured(definitions.RETRAIN_SUCCESS)
    assert (found.n, found.status) == (20, Status.MET)
    assert found.value == pytest.approx(0.95)


def test_a_minute_that_no_machine_was_read_in_is_missing() -> None:
    start = (clock.now() - timedelta(minutes=12)).replace(second=0, microsecond=0)
    for n in (0, 1, 2, 5, 6, 7, 8, 9):
        for host in ("host:a", "host:b"):
            UsageMinute.objects.create(
                subject=host, at=start + timedelta(minutes=n), n=1, cpu_cores=0, cpu_cores_max=0,
                memory_bytes=0, memory_bytes_max=0, read_bytes_s=0, written_bytes_s=0,
            )  # fmt: skip
    found = measured(definitions.METRICS_COMPLETENESS)
    assert found.value == pytest.approx(8 / found.n)
    assert found.status == Status.MISSED


@pytest.mark.parametrize("kind", [definitions.SEARCH_P95, definitions.CACHE_HITS])
def test_what_nothing_counts_has_no_source_and_what_is_counted_has(kind: str) -> None:
    assert measured(kind).reason == "no_source"
    count(series.SEARCH_LATENCY, 4, buckets={"0.1": 4})
    count(series.CACHE_HITS, 3)
    count(series.CACHE_MISSES, 1)
    assert measured(kind).value is not None


def test_savings_wait_for_somebody_to_name_the_costs() -> None:
    row = objective(definitions.SAVINGS)
    assert measured(definitions.SAVINGS).reason == "no_costs"
    row.parameters = {definitions.MISSED_DEFECT: 100, definitions.FALSE_ALARM: 5}
    row.save()
    assert measured(definitions.SAVINGS).reason == "no_champion"


def test_a_bug_in_one_measure_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_window: measures.Window) -> Measure:
        raise ZeroDivisionError

    monkeypatch.setitem(measures._measures, definitions.QUALITY_F1, fail)
    count(series.REQUESTS, 10)
    found = {one.objective.kind: one for one in evaluating.evaluate_all()}
    assert found[definitions.QUALITY_F1].reason == "failed"
    assert found[definitions.AVAILABILITY].value == 1.0


# --- Judged ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("measure", "target", "status"),
    [
        (Measure(0.9, 10), 0.8, Status.MET),
        (Measure(0.7, 10), 0.8, Status.MISSED),
        (Measure(0.7, 10, None, 0.6, 0.85), 0.8, Status.UNSURE),
        (Measure(0.7, 10, None, 0.6, 0.75), 0.8, Status.MISSED),
        (Measure(0.7, 10), None, Status.NO_GOAL),
        (Measure(reason="no_outcomes"), 0.8, Status.UNMEASURED),
    ],
)
def test_only_what_is_surely_below_the_goal_is_missed(
    measure: Measure, target: float | None, status: str
) -> None:
    row = objective(definitions.QUALITY_F1)
    row.target = target
    assert evaluating.judged(row, measure, clock.now()).status == status


def test_a_missed_objective_alerts_until_it_is_met() -> None:
    count(series.REQUESTS, 100)
    count(series.ERRORS, 50)
    measured(definitions.AVAILABILITY)
    key = evaluating.alert_key(definitions.AVAILABILITY)
    alert = Alert.objects.open().get(key=key)
    assert "50.0 %" in alert.message
    assert "/objective/" in alert.url
    SeriesMinute.objects.filter(name=series.ERRORS).delete()
    measured(definitions.AVAILABILITY)
    assert not Alert.objects.open().filter(key=key).exists()


def test_goals_that_were_changed_are_never_set_back() -> None:
    row = objective(definitions.AVAILABILITY)
    row.target = 0.5
    row.save()
    assert objective(definitions.AVAILABILITY).target == 0.5


# --- Burning --------------------------------------------------------------------------------------


def traffic(*, n_bad: int, minutes: range, per_minute: int = 100) -> None:
    for ago in minutes:
        count(series.REQUESTS, per_minute, minutes_ago=ago)
        if n_bad:
            count(series.ERRORS, n_bad, minutes_ago=ago)


def burning_keys() -> set[str]:
    burning.check()
    alerts = Alert.objects.open().filter(key__startswith="objective-burns:availability")
    return {alert.key.rpartition(":")[2] for alert in alerts}


def test_a_budget_that_burns_in_both_windows_alerts() -> None:
    traffic(n_bad=3, minutes=range(1, 61))
    assert burning_keys() == {"critical", "warning"}
    alert = Alert.objects.open().get(key="objective-burns:availability:critical")
    assert alert.severity == Alert.Severity.CRITICAL
    assert "30 times too fast" in alert.message


def test_what_is_over_no_longer_alerts() -> None:
    traffic(n_bad=3, minutes=range(1, 61))
    burning.check()
    SeriesMinute.objects.filter(
        name=series.ERRORS, at__gte=clock.now() - timedelta(minutes=45)
    ).delete()
    assert burning_keys() == set()


def test_a_short_burst_that_spends_little_does_not_alert() -> None:
    traffic(n_bad=0, minutes=range(6, 361))
    traffic(n_bad=10, minutes=range(1, 4))
    assert burning_keys() == set()


def test_a_few_failures_of_few_requests_do_not_alert() -> None:
    count(series.REQUESTS, 6)
    count(series.ERRORS, 4)
    assert burning_keys() == set()


# --- History and trend ----------------------------------------------------------------------------


def standing(*values: float) -> selectors.Standing:
    row = objective(definitions.AVAILABILITY)
    for ago, value in enumerate(reversed(values)):
        Measurement.objects.create(
            objective=row, status=Status.MET, value=value, at=clock.now() - timedelta(days=ago)
        )
    return selectors.standing(row)


@pytest.mark.parametrize(
    ("values", "is_floor", "trend"),
    [
        ((0.9,), True, ""),
        ((0.5, 0.9), True, selectors.BETTER),
        ((0.5, 0.9), False, selectors.WORSE),
        ((0.900, 0.901), True, selectors.SAME),
    ],
)
def test_the_trend_compares_with_the_week_before(
    values: tuple[float, ...], is_floor: bool, trend: str
) -> None:
    assert standing(*values).trend(is_floor=is_floor) == trend


def test_the_history_holds_the_last_of_each_day() -> None:
    row = objective(definitions.AVAILABILITY)
    noon = clock.now().replace(hour=3, minute=0)
    for hours, value in ((0, 0.1), (1, 0.2), (-24, 0.3)):
        Measurement.objects.create(
            objective=row, status=Status.MET, value=value, at=noon + timedelta(hours=hours)
        )
    history = selectors.standing(row, noon + timedelta(hours=2)).history
    assert [one.value for one in history] == [0.3, 0.2]


def test_old_measurements_are_removed() -> None:
    row = objective(definitions.AVAILABILITY)
    old = clock.now() - evaluating.KEPT - timedelta(days=1)
    Measurement.objects.create(objective=row, status=Status.MET, value=1, at=old)
    Measurement.objects.create(objective=row, status=Status.MET, value=1)
    assert evaluating.remove_old() == 1


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


# --- The report -----------------------------------------------------------------------------------


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
