"""Claims, fences, leases and what ends a run."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now

from portal.core.actors import Actor
from portal.core.errors import LeaseLost, RunCancelled
from portal.core.models import Alert
from portal.runs import leases, services
from portal.runs.context import RunContext
from portal.runs.keeper import Keeper
from portal.runs.models import TERMINAL_STATES, Run, State
from portal.runs.services import upkeep

pytestmark = pytest.mark.django_db

SYSTEM = Actor.system("tests")
DONE = leases.Outcome(State.SUCCEEDED, result={"answer": 42})


def abandon(run: Run) -> None:
    """Let a run's lease end in the past."""
    Run.objects.filter(pk=run.pk).update(lease_expires_at=Now() - timedelta(seconds=1))


def state_of(run: Run) -> str:
    return Run.objects.values_list("state", flat=True).get(pk=run.pk)


def test_a_claim_gives_attempt_fence_and_lease(claimed: Any) -> None:
    run = claimed()
    assert (run.state, run.attempt, run.fence, run.worker_pid) == (State.RUNNING, 1, 1, 1)
    assert run.lease_expires_at > run.heartbeat_at


def test_a_claim_refuses_a_second_worker(claimed: Any) -> None:
    assert leases.claim(claimed().pk, worker="late:2") is None


def test_a_run_is_not_claimed_before_its_time(enqueue: Any) -> None:
    run = enqueue()
    Run.objects.update(not_before=Now() + timedelta(hours=1))
    assert leases.claim(run.pk, worker="tests:1") is None


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_one_claims(enqueue: Any) -> None:
    run, won = enqueue(), []

    def compete(number: int) -> None:
        if leases.claim(run.pk, worker=f"racer:{number}"):
            won.append(number)
        connection.close()

    racers = [threading.Thread(target=compete, args=(number,)) for number in range(8)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert len(won) == 1
    assert Run.objects.get().attempt == 1


def test_runs_with_one_overlap_key_work_one_after_the_other() -> None:
    first, second = (
        services.enqueue(kind="portal.selftest", actor=SYSTEM, overlap_key="nightly")
        for _ in range(2)
    )
    running = leases.claim(first.pk, worker="tests:1")
    assert running is not None
    assert leases.claim(second.pk, worker="tests:2") is None
    leases.settle(running, DONE)
    assert leases.claim(second.pk, worker="tests:2") is not None


def test_a_stale_workers_outcome_is_refused(claimed: Any) -> None:
    stale = claimed()
    abandon(stale)
    upkeep.reap()
    fresh = leases.claim(stale.pk, worker="tests:2")
    assert fresh is not None
    assert not leases.settle(stale, DONE)
    assert leases.settle(fresh, DONE)
    assert Run.objects.get().result == {"answer": 42}


def test_a_stale_workers_results_are_refused(claimed: Any) -> None:
    stale = claimed()
    abandon(stale)
    upkeep.reap()
    leases.claim(stale.pk, worker="tests:2")
    with pytest.raises(LeaseLost, match="Attempt 1"), RunContext(stale, Keeper(stale)).fenced():
        pytest.fail("the stale worker got in")


def test_a_stale_workers_events_are_refused(claimed: Any) -> None:
    stale = claimed()
    keeper = Keeper(stale)
    RunContext(stale, keeper).log("too late")
    abandon(stale)
    upkeep.reap()
    assert keeper.outbox.flush() is False
    assert not stale.events.filter(type="log").exists()


def test_a_fenced_block_is_undone_by_an_error(context: RunContext) -> None:
    def write_and_break() -> None:
        with context.fenced() as run:
            Run.objects.filter(pk=run.pk).update(title="half done")
            raise RuntimeError("the disk broke")

    with pytest.raises(RuntimeError, match="the disk broke"):
        write_and_break()
    assert Run.objects.get().title == ""


def test_a_cancelled_run_writes_no_results(claimed: Any) -> None:
    run = claimed()
    keeper = Keeper(run)
    keeper.cancel_requested.set()
    context = RunContext(run, keeper)
    with pytest.raises(RunCancelled), context.fenced():
        pytest.fail("a cancelled run got in")
    with pytest.raises(RunCancelled):
        context.progress(0.5)


def test_the_reaper_returns_a_run_whose_worker_fell_silent(claimed: Any) -> None:
    run = claimed()
    assert upkeep.reap() == (0, 0)
    abandon(run)
    assert upkeep.reap() == (1, 0)
    run.refresh_from_db()
    assert (run.state, run.attempt, run.error_code) == (State.QUEUED, 1, "worker_lost")


def test_the_reaper_ends_a_run_after_its_last_attempt(claimed: Any) -> None:
    run = claimed()
    Run.objects.update(max_attempts=1)
    abandon(run)
    assert upkeep.reap() == (0, 1)
    assert state_of(run) == State.ERRORED
    assert Alert.objects.open().get().key == f"run-errored:{run.pk}"


def test_the_reaper_ends_a_silent_run_that_was_told_to_stop(claimed: Any) -> None:
    run = claimed()
    services.cancel(run_id=run.pk, actor=SYSTEM)
    assert state_of(run) == State.RUNNING
    abandon(run)
    upkeep.reap()
    assert state_of(run) == State.CANCELLED


def test_the_reaper_ends_a_run_that_ignores_being_told_to_stop(claimed: Any) -> None:
    run = claimed()
    services.cancel(run_id=run.pk, actor=SYSTEM)
    Run.objects.update(cancel_requested_at=Now() - timedelta(hours=1))
    assert upkeep.reap() == (0, 1)
    assert state_of(run) == State.CANCELLED


@pytest.mark.django_db(transaction=True)
def test_the_reaper_leaves_a_run_alone_that_writes_its_results(claimed: Any) -> None:
    run = claimed()
    inside, leave = threading.Event(), threading.Event()

    def write() -> None:
        with RunContext(run, Keeper(run)).fenced():
            inside.set()
            leave.wait(10)
        connection.close()

    abandon(run)
    writer = threading.Thread(target=write)
    writer.start()
    assert inside.wait(10)
    assert upkeep.reap() == (0, 0)
    leave.set()
    writer.join()
    assert upkeep.reap() == (1, 0)


def test_a_run_handed_back_keeps_its_attempts(claimed: Any) -> None:
    run = claimed()
    assert upkeep.hand_back(["tests:1"]) == 1
    run.refresh_from_db()
    assert (run.state, run.attempt, run.fence) == (State.QUEUED, 0, 1)


def test_a_run_of_a_dead_process_is_returned_at_once(claimed: Any) -> None:
    run = claimed()
    assert not upkeep.return_from_dead_process(str(run.pk), is_alive=lambda pid: True)
    assert upkeep.return_from_dead_process(str(run.pk), is_alive=lambda pid: pid != 1)
    assert state_of(run) == State.QUEUED


@pytest.mark.parametrize("over", sorted(TERMINAL_STATES))
@pytest.mark.parametrize(
    "change", [{"state": "queued"}, {"result": {"n": 1}}, {"error_message": "x"}, {"attempt": 9}]
)
def test_the_database_keeps_what_is_over(claimed: Any, over: State, change: dict[str, Any]) -> None:
    run = claimed()
    leases.settle(run, leases.Outcome(over))
    extra = {"finished_at": None} if "state" in change else {}
    with pytest.raises(IntegrityError, match="is over"), transaction.atomic():
        Run.objects.filter(pk=run.pk).update(**change, **extra)


def test_the_database_lets_no_claim_reuse_a_fence(enqueue: Any) -> None:
    run = enqueue()
    with pytest.raises(IntegrityError, match="fencing token"), transaction.atomic():
        Run.objects.filter(pk=run.pk).update(state="running", lease_expires_at=Now())


def test_bookkeeping_of_a_run_that_is_over_may_change(claimed: Any) -> None:
    run = claimed()
    leases.settle(run, DONE)
    assert Run.objects.filter(pk=run.pk).update(title="renamed", parent=None) == 1


def test_an_error_alerts_and_a_retry_resolves_the_alert(claimed: Any) -> None:
    run = claimed()
    leases.settle(run, leases.Outcome(State.ERRORED, error_code="x", error_message="Broken."))
    assert "Broken." in Alert.objects.open().get().message
    services.retry(run_id=run.pk, actor=SYSTEM)
    assert not Alert.objects.open().exists()
