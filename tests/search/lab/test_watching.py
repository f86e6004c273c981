"""A campaign repeated on schedule, and what is told of it."""

import pytest

from portal.core.actors import Actor
from portal.core.models import Alert
from portal.lib import clock
from portal.runs import services as runs
from portal.runs.models import Run, Schedule, State
from portal.runs.services import schedules
from portal.runs.tasks.execution import perform
from search.lab import tasks
from search.lab.engine.matrix import Matrix
from search.lab.engine.measuring import Samples
from search.lab.models import Campaign, CellResult
from search.lab.services import campaigns, comparing, watching
from tests.search.lab import measured

ACTOR = Actor.system("test")
PLAN = Matrix(
    scales=(1_000,),
    dimensions=(16,),
    search_types=("vector",),
    filters=(None, 0.1),
    engines=("hnswlib",),
)
pytestmark = pytest.mark.django_db


def write(campaign: Campaign, slowed: float = 1.0, **changed: object) -> Campaign:
    """Measure a campaign in three passes."""
    for row in campaign.cells.all():
        own = measured.samples(row.what, slowed, seed=row.position)
        measured.measure(row, Samples.joined([own] * 3), **changed)
    return campaign


@pytest.fixture
def first() -> Campaign:
    return write(campaigns.create(plan=PLAN, name="small", actor=ACTOR))


def again(first: Campaign, slowed: float = 1.0, **changed: object) -> Campaign:
    return write(campaigns.repeat(campaign=first), slowed, **changed)


def told(first: Campaign, now: Campaign, before: watching.Open) -> watching.Open:
    found = comparing.judge(then=first, now=now)
    still = watching.still_worse(found, before)
    watching.tell(first, now, found.worse, still)
    return still


def alarms(first: Campaign) -> list[str]:
    rows = Alert.objects.open().filter(key=f"lab.regression.{first.pk}")
    return list(rows.values_list("message", flat=True))


def test_what_became_worse_is_told_once_and_taken_back(first: Campaign) -> None:
    keys = set(first.cells.values_list("key", flat=True))
    still = told(first, again(first), {})
    assert (still, alarms(first)) == ({}, [])
    for _time in range(2):
        now = again(first, 1.25)
        assert (now.baseline_id, now.matrix) == (first.pk, first.matrix)
        still = told(first, now, still)
    assert still == {key: ["slower"] for key in keys}
    (message,) = alarms(first)
    assert "hnswlib 1,000 x 16, vector: latency x1.25" in message
    assert "(slower)" in message
    assert str(first.pk) in message
    assert told(first, again(first), still) == {}
    assert not alarms(first)


def test_a_disturbed_repetition_takes_nothing_back(first: Campaign) -> None:
    still = told(first, again(first, 1.25), {})
    assert told(first, again(first, is_disturbed=True), still) == still
    assert alarms(first)


def test_a_cell_that_fails_or_misses_its_index_is_worse(first: Campaign) -> None:
    now = again(first, uses_index=False)
    row = now.cells.all()[0]
    CellResult.objects.filter(pk=row.pk).update(
        state=CellResult.State.FAILED, facts={}, samples=None, error="no room"
    )
    still = told(first, now, {})
    assert sorted(map(list, still.values())) == [["failed"], ["no_index"]]
    (message,) = alarms(first)
    assert f"{row.what.label}: failed" in message
    assert "did not use its index" in message
    still = told(first, again(first, uses_index=False), still)
    assert list(still.values()) == [["no_index"]] * 2
    assert told(first, again(first), still) == {}


def test_a_repetition_that_broke_off_takes_nothing_back(first: Campaign) -> None:
    still = told(first, again(first, 1.25), {})
    nothing = campaigns.repeat(campaign=first)
    assert told(first, nothing, still) == still
    assert alarms(first)


def test_what_was_open_is_read_from_the_last_repetition(first: Campaign) -> None:
    assert watching.worse_before(first) == {}
    still = told(first, again(first, 1.25), {})
    assert watching.worse_before(first).keys() == still.keys()
    run = runs.enqueue(kind=tasks.REPEAT, actor=ACTOR, parameters={"campaign": str(first.pk)})
    (key, *_rest) = still
    result = {"baseline": str(first.pk), "worse": {key: ["slower"]}}
    Run.objects.filter(pk=str(run.pk)).update(
        state=State.SUCCEEDED, started_at=clock.now(), finished_at=clock.now(), result=result
    )
    assert watching.worse_before(first) == {key: ["slower"]}


def test_a_name_that_two_campaigns_bear_is_refused(first: Campaign) -> None:
    other = campaigns.create(plan=PLAN, name="small", actor=ACTOR)
    run = runs.enqueue(kind=tasks.REPEAT, actor=ACTOR, parameters={"campaign": "small"})
    perform(str(run.pk), worker="test")
    run = Run.objects.get(pk=str(run.pk))
    assert run.state == State.FAILED
    assert str(first.pk) in run.error_message
    assert str(other.pk) in run.error_message


def test_the_schedule_is_off_and_without_a_campaign_nothing_is_measured() -> None:
    schedules.ensure_declared()
    schedule = Schedule.objects.get(name="repeat-benchmark")
    assert not schedule.periodic_task.enabled
    run = runs.enqueue(kind=tasks.REPEAT, actor=ACTOR, parameters=dict(schedule.parameters))
    perform(str(run.pk), worker="test")
    run = Run.objects.get(pk=str(run.pk))
    assert (run.state, run.result) == (State.SUCCEEDED, {"skipped": "no_campaign"})
    assert not Campaign.objects.exists()
