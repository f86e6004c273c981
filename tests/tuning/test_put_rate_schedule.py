"""The schedule of put-rate fits: it fits when there is something new to fit on."""

import pytest

from portal.runs import kinds, leases
from portal.runs import services as runs
from portal.runs.context import RunContext
from portal.runs.keeper import Keeper
from portal.runs.services import schedules
from tests.tuning.put_trials import a_study, trials
from tests.tuning.test_put_rate import ACTOR, fitted
from tuning import tasks
from tuning.models import PutRateForm
from tuning.services import put_dues, put_rates

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]


def test_a_fit_by_itself_waits_for_new_trials() -> None:
    assert "a fit needs 16 of 8" in put_dues.reason_to_wait()
    study = a_study()
    trials(study, put_rates.LEAST_TRIALS)
    assert put_dues.reason_to_wait() == ""
    fitted()
    assert "0 new trials since the last fit" in put_dues.reason_to_wait()
    trials(study, put_dues.LEAST_NEW)
    assert put_dues.reason_to_wait() == ""


def test_the_schedule_leaves_things_as_they_are_while_nothing_is_new() -> None:
    schedules.ensure_declared()
    run = runs.enqueue(kind=tasks.FIT_PUT_RATE, actor=ACTOR, parameters={"if_due": True})
    claimed = leases.claim(run.pk, worker="tests:1")
    assert claimed is not None
    said = kinds.get(tasks.FIT_PUT_RATE).work(RunContext(claimed, Keeper(claimed)))
    assert said is not None
    assert said["is_fitted"] is False
    assert not PutRateForm.objects.exists()
