"""A campaign repeated on schedule, and what is told of it."""

import numpy as np
import pytest

from portal.core.actors import Actor
from portal.core.models import Alert
from portal.runs import services as runs
from portal.runs.models import Run, Schedule, State
from portal.runs.services import schedules
from portal.runs.tasks.execution import perform
from search.lab import tasks
from search.lab.engine.analysis import comparing
from search.lab.engine.matrix import Cell, Matrix
from search.lab.engine.measuring import Samples, scored
from search.lab.models import Campaign
from search.lab.services import campaigns, watching

ACTOR = Actor.system("test")
PLAN = Matrix(
    scales=(1_000,),
    dimensions=(16,),
    search_types=("vector",),
    filters=(None,),
    engines=("faiss-flat",),
)
CELL = Cell("faiss-flat", 1_000, 16)


def samples(factor: float = 1.0, n_found: int = 10) -> Samples:
    exact = np.tile(np.arange(10), (500, 1))
    wall = np.random.default_rng(1).lognormal(0.0, 0.2, 500) * factor
    one = scored([np.arange(n_found)] * 500, exact, wall, wall)
    return Samples.joined([one, one])


def compared(now: Samples) -> list[comparing.Compared]:
    return comparing.compare({"a": (CELL, now)}, {"a": (CELL, samples())})


def test_ten_percent_slower_or_a_tenth_less_exact_is_worse() -> None:
    assert not watching.worse(compared(samples()))
    assert [one.verdict for one in watching.worse(compared(samples(1.1)))] == ["slower"]
    assert watching.worse(compared(samples(1.0, n_found=9)))[0].verdict == "same"


@pytest.mark.django_db
def test_what_became_worse_is_told_once_and_taken_back() -> None:
    first = campaigns.create(plan=PLAN, name="small", actor=ACTOR)
    again = campaigns.repeat(campaign=first)
    assert (again.baseline_id, again.matrix) == (first.pk, first.matrix)
    for _time in range(2):
        watching.tell(first, again, watching.worse(compared(samples(1.2))))
    alert = Alert.objects.open().get(key=f"lab.regression.{first.pk}")
    assert "faiss-flat 1,000 x 16, vector: latency x1.2" in alert.message
    assert alert.url.endswith(f"/compare/?then={first.pk}&now={again.pk}")
    watching.tell(first, again, [], is_whole=False)
    assert Alert.objects.open().filter(key=alert.key).exists()
    watching.tell(first, again, [])
    assert not Alert.objects.open().filter(key=alert.key).exists()


@pytest.mark.django_db
def test_the_schedule_is_off_and_without_a_campaign_nothing_is_measured() -> None:
    schedules.ensure_declared()
    schedule = Schedule.objects.get(name="repeat-benchmark")
    assert not schedule.periodic_task.enabled
    run = runs.enqueue(kind=tasks.REPEAT, actor=ACTOR, parameters=dict(schedule.parameters))
    perform(str(run.pk), worker="test")
    run = Run.objects.get(pk=str(run.pk))
    assert (run.state, run.result) == (State.SUCCEEDED, {"skipped": "no_campaign"})
    assert not Campaign.objects.exists()
