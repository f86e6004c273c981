"""The thread beside a running run."""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now

from portal.core.actors import Actor
from portal.core.errors import LeaseLost, RunCancelled
from portal.runs import kinds, leases, services
from portal.runs.context import RunContext
from portal.runs.keeper import Keeper
from portal.runs.models import Queue, Run, State
from portal.runs.services import upkeep
from portal.runs.tasks import perform
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

SYSTEM = Actor.system("tests")


@pytest.fixture(autouse=True)
def _in_seconds(settings: Any) -> None:
    settings.RUN_LEASE_S = 3
    settings.RUN_HEARTBEAT_S = 0.2
    settings.RUN_CANCEL_GRACE_S = 1


def test_the_lease_is_renewed_and_use_measured(claimed: Any) -> None:
    run = claimed()
    lease = run.lease_expires_at
    with Keeper(run):
        wait_for(lambda: Run.objects.get().lease_expires_at > lease + timedelta(seconds=0.3))
    run.refresh_from_db()
    assert run.peak_memory_bytes > 1 << 20
    assert run.cpu_seconds > 0


def test_what_was_said_last_is_written_when_the_work_ends(claimed: Any) -> None:
    run = claimed()
    with Keeper(run) as keeper:
        RunContext(run, keeper).log("the very last line")
    assert run.events.filter(message="the very last line").exists()


def test_a_request_to_stop_reaches_the_work(claimed: Any) -> None:
    run = claimed()
    with Keeper(run) as keeper:
        services.cancel(run_id=run.pk, actor=SYSTEM)
        assert keeper.cancel_requested.wait(30)
        with pytest.raises(RunCancelled):
            RunContext(run, keeper).check()


def test_a_lost_lease_reaches_the_work(claimed: Any) -> None:
    run = claimed()
    with Keeper(run) as keeper:
        Run.objects.update(fence=7)
        assert keeper.lost.wait(30)
        with pytest.raises(LeaseLost):
            RunContext(run, keeper).check()


def test_deaf_work_outside_a_pool_is_cancelled_but_not_killed(claimed: Any) -> None:
    run = claimed()
    with Keeper(run) as keeper:
        services.cancel(run_id=run.pk, actor=SYSTEM)
        wait_for(lambda: Run.objects.get().state == State.CANCELLED)
        assert keeper.lost.is_set()
    assert not leases.settle(run, leases.Outcome(State.SUCCEEDED))


def test_a_keeper_lives_on_after_its_session_was_ended(claimed: Any) -> None:
    run = claimed()
    with Keeper(run) as keeper:
        time.sleep(0.3)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        RunContext(run, keeper).log("still here")
        wait_for(lambda: run.events.filter(message="still here").exists())
    assert not keeper.lost.is_set()


@pytest.fixture
def interrupted() -> Iterator[list[str]]:
    """Register work whose database session is ended in its midst the first time."""
    attempts: list[str] = []

    def work(ctx: RunContext) -> dict[str, Any]:
        attempts.append(str(ctx.run_id))
        if len(attempts) == 1:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return {"attempts": len(attempts)}

    kinds.run_task(kind="tests.interrupted", queue=Queue.INTERACTIVE, title="Interrupted")(work)
    yield attempts
    del kinds._kinds["tests.interrupted"]


def test_work_that_loses_its_database_session_is_tried_again(interrupted: list[str]) -> None:
    run = services.enqueue(kind="tests.interrupted", actor=SYSTEM)
    perform(str(run.pk), worker="tests:1")
    run.refresh_from_db()
    assert (run.state, run.error_code) == (State.QUEUED, "interrupted")
    Run.objects.update(not_before=Now())
    perform(str(run.pk), worker="tests:1")
    run.refresh_from_db()
    assert (run.state, run.result) == (State.SUCCEEDED, {"attempts": 2})


def test_results_are_written_though_the_session_ended_meanwhile(claimed: Any) -> None:
    run = claimed()
    ctx = RunContext(run, Keeper(run))
    other = connection.copy()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (own_pid,) = cursor.fetchone()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [own_pid])
    other.close()
    ctx.save_artifact("model.onnx", b"trained for hours", "application/onnx")
    assert run.run_artifacts.get().name == "model.onnx"


def test_a_kind_nobody_knows_is_tried_again_and_then_errs() -> None:
    run = services.enqueue(kind="portal.selftest", actor=SYSTEM)
    Run.objects.update(kind="portal.gone", max_attempts=1)
    perform(str(run.pk), worker="tests:1")
    run.refresh_from_db()
    assert (run.state, run.error_code) == (State.ERRORED, "unknown_kind")


def test_runs_that_wait_for_their_like_are_told_when_it_ends(redis_client: Any) -> None:
    first, second = (
        services.enqueue(kind="portal.selftest", actor=SYSTEM, overlap_key="one") for _ in range(2)
    )
    redis_client.flushdb()
    perform(str(first.pk), worker="tests:1")
    assert redis_client.llen("interactive") == 1
    perform(str(second.pk), worker="tests:1")
    assert upkeep.sweep().n_sent == 0
