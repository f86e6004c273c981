"""Objectives: measured from what was recorded, and judged."""

from datetime import timedelta

import pytest

from monitoring.models import SeriesHour, SeriesMinute, UsageMinute
from monitoring.services import series
from monitoring.services.objectives import definitions, evaluating, measures
from monitoring.services.objectives.measures import Measure
from portal.core.models import Alert
from portal.lib import clock
from portal.runs.models import Run, State
from tests.monitoring.objectives.counting import Status, count, measured, objective

pytestmark = pytest.mark.django_db


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
