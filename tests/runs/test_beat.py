"""The beat: one works, others stand by, and neither a lost session nor a lost process stops it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import current_app
from django.db import connection
from django.db.models.functions import Now
from django_celery_beat.models import PeriodicTask

from portal.runs import services
from portal.runs.beat import BEAT, LOCK, STANDBY, SWEEP_ENTRY, BeatLock, Scheduler
from portal.runs.models import Heartbeat, Run, Schedule
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def beat(redis_client: redis.Redis) -> Iterator[Callable[[], Scheduler]]:
    """Give ``beat()``: a scheduler of this process; the first one works."""
    made: list[Scheduler] = []

    def make() -> Scheduler:
        scheduler = Scheduler(app=current_app)
        made.append(scheduler)
        return scheduler

    yield make
    for scheduler in made:
        scheduler.close()


def end_sessions() -> None:
    """End every session but this test's own, as a restart of Postgres would."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def lock_holders() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND granted",
            [LOCK],
        )
        return int(cursor.fetchone()[0])


def test_the_first_beat_works_and_the_second_stands_by(
    beat: Callable[[], Scheduler], redis_client: redis.Redis
) -> None:
    first, second = beat(), beat()
    first.tick()
    second.tick()
    roles = dict(Heartbeat.objects.values_list("role", "pid"))
    assert roles == {BEAT: os.getpid(), STANDBY: os.getpid()}
    assert lock_holders() == 1


def test_the_second_takes_over_when_the_first_ends(beat: Callable[[], Scheduler]) -> None:
    first, second = beat(), beat()
    first.tick()
    second.tick()
    first.close()
    wait_for(lambda: second.tick() is not None and second.lock.is_held)
    assert lock_holders() == 1
    assert not Heartbeat.objects.filter(role=STANDBY).exists()


def test_a_beat_notices_that_its_session_is_gone(beat: Callable[[], Scheduler]) -> None:
    first, second = beat(), beat()
    first.tick()
    end_sessions()
    wait_for(lambda: second.tick() is not None and second.lock.is_held)
    first.tick()  # meets the dead session
    first.tick()  # tries again and finds the lock taken
    assert not first.lock.is_held
    assert lock_holders() == 1


def test_a_beat_works_on_after_postgres_was_away(
    beat: Callable[[], Scheduler], redis_client: redis.Redis
) -> None:
    working = beat()
    services.ensure_schedule(name="often", kind="portal.selftest", interval=timedelta(minutes=1))
    working.tick()
    end_sessions()
    assert working.tick() > 0
    earlier = Now() - timedelta(seconds=61)
    Schedule.objects.filter(name="often").update(
        anchor_at=earlier, checked_until=earlier, next_due_at=Now()
    )
    working.tick()
    assert Run.objects.get().started_via_detail == "often"


def test_a_sweep_is_asked_for_and_does_not_pile_up(
    beat: Callable[[], Scheduler], redis_client: redis.Redis
) -> None:
    working = beat()
    working.tick()
    PeriodicTask.objects.filter(name=SWEEP_ENTRY).update(last_run_at=Now() - timedelta(hours=1))
    PeriodicTask.objects.get(name=SWEEP_ENTRY).save()
    wait_for(lambda: working.tick() is not None and redis_client.llen("maintenance") > 0)
    (message,) = redis_client.lrange("maintenance", 0, -1)
    assert b'"task": "portal.runs.sweep"' in message
    assert b'"expires": null' not in message


def test_a_queue_that_nobody_empties_is_left_alone(
    beat: Callable[[], Scheduler], redis_client: redis.Redis
) -> None:
    working = beat()
    redis_client.rpush("maintenance", *["{}"] * 100)
    working.tick()
    PeriodicTask.objects.filter(name=SWEEP_ENTRY).update(last_run_at=Now() - timedelta(hours=1))
    PeriodicTask.objects.get(name=SWEEP_ENTRY).save()
    for _ in range(3):
        working.tick()
    assert redis_client.llen("maintenance") == 100


def test_an_operators_sweep_entry_stays(beat: Callable[[], Scheduler]) -> None:
    beat().tick()
    PeriodicTask.objects.filter(name=SWEEP_ENTRY).update(enabled=False)
    for scheduler in (beat(), beat()):
        scheduler.tick()
    assert not PeriodicTask.objects.get(name=SWEEP_ENTRY).enabled


@pytest.fixture
def start_beat(
    child_environment: dict[str, str], redis_client: redis.Redis, tmp_path: Path
) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Give ``start_beat(**environment)``: a beat process."""
    started: list[subprocess.Popen[bytes]] = []

    def start(**environment: str) -> subprocess.Popen[bytes]:
        words = ["-m", "celery", "-A", "portal.celery", "beat", "--pidfile="]
        words += ["--scheduler", "portal.runs.beat:Scheduler"]
        with (tmp_path / f"beat-{len(started)}.log").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - the words are ours
                [sys.executable, *words],
                cwd=ROOT,
                env=child_environment | environment,
                stdout=log,
                stderr=log,
            )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def often() -> Schedule:
    return services.ensure_schedule(
        name="often",
        kind="portal.selftest",
        interval=timedelta(seconds=1),
        overlap_policy="queue",
    )


@pytest.mark.integration
def test_a_killed_beat_is_followed_by_the_one_that_stood_by(
    start_beat: Callable[..., subprocess.Popen[bytes]],
) -> None:
    schedule = often()
    start_beat()
    start_beat()
    wait_for(lambda: Heartbeat.objects.count() == 2 and Run.objects.exists(), 30)
    leader = Heartbeat.objects.get(pk=BEAT).pid
    os.kill(leader, signal.SIGKILL)
    wait_for(lambda: Heartbeat.objects.get(pk=BEAT).pid != leader)
    n_runs = Run.objects.count()
    wait_for(lambda: Run.objects.count() > n_runs + 1)
    started = schedule.slots.filter(outcome="started").values_list("due_at", flat=True)
    assert Run.objects.filter(started_via="schedule").count() == len(set(started))


@pytest.mark.integration
def test_a_beat_without_redis_settles_schedules_and_lives(
    start_beat: Callable[..., subprocess.Popen[bytes]],
) -> None:
    often()
    beat = start_beat(REDIS_URL="redis://127.0.0.1:1/0")
    wait_for(lambda: Run.objects.count() > 2, 30)
    assert beat.poll() is None
    assert not Run.objects.filter(sent_at__isnull=False).exists()


def test_the_lock_is_free_again_after_release(transactional_db: Any) -> None:
    first, second = BeatLock(), BeatLock()
    assert (first.hold(), second.hold(), first.hold()) == (True, False, True)
    first.release()
    wait_for(second.hold)
    second.release()
