"""What is removed in the end, and what is not."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from portal.core.actors import Actor
from portal.runs import leases, services
from portal.runs.models import Heartbeat, Run, RunEvent, Schedule, ScheduleSlot, State
from portal.runs.services import heartbeats, retention

pytestmark = pytest.mark.django_db

OLD = timezone.now() - timedelta(days=31)


def ended(state: State, queue: str) -> Run:
    queued = services.enqueue(kind="portal.selftest", actor=Actor.system("tests"), queue=queue)
    run = leases.claim(queued.pk, worker="tests:1")
    assert run is not None
    leases.settle(run, leases.Outcome(state))
    return run


def test_old_events_of_ended_runs_go_and_the_runs_stay(claimed: Any) -> None:
    over, working = ended(State.SUCCEEDED, "train"), claimed()
    RunEvent.objects.update(at=OLD)
    assert retention.remove_old().n_events == 3
    assert not over.events.exists()
    assert working.events.exists()
    assert Run.objects.count() == 2


def test_young_events_stay() -> None:
    ended(State.SUCCEEDED, "train")
    assert retention.remove_old().n_events == 0


def test_old_maintenance_runs_that_succeeded_go() -> None:
    runs = [
        ended(state, queue)
        for state, queue in [
            (State.SUCCEEDED, "maintenance"),
            (State.ERRORED, "maintenance"),
            (State.SUCCEEDED, "train"),
        ]
    ]
    past = {"created_at": OLD, "started_at": OLD, "finished_at": OLD}
    with_trigger_off(lambda: Run.objects.update(**past))
    assert retention.remove_old().n_runs == 1
    assert set(Run.objects.values_list("pk", flat=True)) == {runs[1].pk, runs[2].pk}


def with_trigger_off(work: Any) -> None:
    """Age runs that are over, which the database refuses otherwise."""
    from django.db import connection  # noqa: PLC0415 - beside its only use

    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        work()
        cursor.execute("SET LOCAL session_replication_role = origin")


def test_old_slots_and_dead_heartbeats_go() -> None:
    schedule: Schedule = services.ensure_schedule(
        name="nightly", kind="portal.selftest", crontab="0 3 * * *"
    )
    for at in (OLD, timezone.now()):
        ScheduleSlot.objects.create(schedule=schedule, due_at=at, outcome="missed")
    for name in ("gone@host", "here@host"):
        heartbeats.beat(name, role="worker")
    Heartbeat.objects.filter(pk="gone@host").update(at=OLD)
    removed = retention.remove_old()
    assert (removed.n_slots, removed.n_heartbeats) == (1, 1)
    assert Heartbeat.objects.get().pk == "here@host"
