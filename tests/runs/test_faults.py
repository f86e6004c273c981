"""Faults with real workers: what is killed, lost or late must not show in the outcome."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest
import redis
from django.db import connection

from portal.core.actors import Actor
from portal.core.models import Alert
from portal.runs import services
from portal.runs.models import Run, State
from portal.runs.services import upkeep
from tests.waiting import wait_for
from tests.worker import Worker

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]

SYSTEM = Actor.system("tests")
SECONDS = {
    "MILLWRIGHT_RUN_LEASE_SECONDS": "3",
    "MILLWRIGHT_RUN_HEARTBEAT_SECONDS": "1",
    "MILLWRIGHT_RUN_RESEND_SECONDS": "1",
    "MILLWRIGHT_RUN_SWEEP_SECONDS": "1",
    "MILLWRIGHT_RUN_CANCEL_GRACE_SECONDS": "1",
    "MILLWRIGHT_RUN_DRAIN_SECONDS": "0",
}


def environment() -> dict[str, str]:
    own = connection.settings_dict
    url = f"postgresql://{own['USER']}:{own['PASSWORD']}@/{own['NAME']}?host={own['HOST']}"
    port = f"&port={own['PORT']}" if own["PORT"] else ""
    return os.environ | {"DATABASE_URL": url + port} | SECONDS


@pytest.fixture(scope="module")
def shared_worker(
    django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Worker]:
    """Give a worker with long leases, for all tests of this module that do not end it."""
    env = environment() | {"MILLWRIGHT_RUN_LEASE_SECONDS": "100"}
    worker = Worker("interactive", env, tmp_path_factory.mktemp("worker") / "log", ("-n", "shared"))
    worker.wait_ready()
    yield worker
    worker.stop()


@pytest.fixture
def start_worker(
    transactional_db: None, redis_client: redis.Redis, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], Worker]]:
    """Give ``start_worker()``: a worker that the test may end."""
    started: list[Worker] = []

    def start() -> Worker:
        log = tmp_path_factory.mktemp("worker") / "log"
        worker = Worker("train", environment(), log, ("-n", f"own{len(started)}"))
        started.append(worker)
        worker.wait_ready()
        return worker

    yield start
    for worker in started:
        worker.stop()


def enqueue(queue: str = "interactive", **parameters: Any) -> Run:
    return services.enqueue(
        kind="portal.selftest", actor=SYSTEM, parameters=parameters, queue=queue
    )


def state_of(run: Run) -> str:
    run.refresh_from_db()
    return run.state


def wait_state(run: Run, state: State, timeout: float = 20) -> Run:
    wait_for(lambda: state_of(run) == state, timeout)
    return run


@pytest.mark.usefixtures("shared_worker")
def test_a_killed_pool_child_restarts_its_run_before_the_lease_ends() -> None:
    run = wait_state(enqueue(seconds=1, steps=10), State.RUNNING)
    os.kill(run.worker_pid, signal.SIGKILL)
    wait_state(run, State.SUCCEEDED)
    told = list(run.events.filter(type="state").values_list("name", flat=True))
    assert told == ["queued", "running", "queued", "running", "succeeded"]


@pytest.mark.usefixtures("shared_worker")
def test_a_poisoned_run_stops_at_the_cap_and_alerts(settings: Any) -> None:
    settings.RUN_MAX_ATTEMPTS = 2
    run = wait_state(enqueue(fail_with="kill", steps=2), State.ERRORED)
    assert (run.attempt, run.error_code) == (2, "worker_lost")
    assert Alert.objects.open().filter(key=f"run-errored:{run.pk}").exists()


@pytest.mark.usefixtures("shared_worker")
def test_a_running_run_stops_when_asked() -> None:
    run = wait_state(enqueue(seconds=60, steps=600), State.RUNNING)
    services.cancel(run_id=run.pk, actor=SYSTEM)
    wait_state(run, State.CANCELLED, 5)
    assert run.error_code == "run_cancelled"


@pytest.mark.usefixtures("shared_worker")
def test_deaf_work_is_killed_after_the_grace_period() -> None:
    run = wait_state(enqueue(seconds=60, steps=1, deaf=True), State.RUNNING)
    services.cancel(run_id=run.pk, actor=SYSTEM)
    wait_state(run, State.CANCELLED, 8)
    assert run.error_code == "killed"
    wait_for(lambda: not psutil.pid_exists(run.worker_pid))


@pytest.mark.usefixtures("shared_worker")
def test_a_worker_takes_no_second_message_while_it_works(redis_client: redis.Redis) -> None:
    run = wait_state(enqueue(seconds=6, steps=60), State.RUNNING)
    n_before = redis_client.llen("interactive")
    enqueue()
    time.sleep(0.5)
    assert redis_client.llen("interactive") == n_before + 1
    wait_state(run, State.SUCCEEDED)
    wait_for(lambda: not Run.objects.active().exists())


def test_a_killed_worker_loses_no_run(start_worker: Callable[[], Worker]) -> None:
    worker = start_worker()
    run = wait_state(enqueue("train", seconds=1, steps=10), State.RUNNING)
    worker.kill()
    start_worker()
    wait_state(run, State.SUCCEEDED)
    assert (run.attempt, run.fence) == (2, 2)


def test_a_lost_message_is_sent_again(
    start_worker: Callable[[], Worker], redis_client: redis.Redis
) -> None:
    run = enqueue("train")
    wait_for(lambda: redis_client.llen("train") == 1)
    redis_client.delete("train")
    start_worker()
    wait_state(run, State.SUCCEEDED)
    assert run.attempt == 1


def test_a_stopped_worker_hands_its_run_back(start_worker: Callable[[], Worker]) -> None:
    worker = start_worker()
    run = wait_state(enqueue("train", seconds=60, steps=600), State.RUNNING)
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(10) == 0
    run.refresh_from_db()
    assert (run.state, run.attempt, run.error_code) == (State.QUEUED, 0, "worker_stopping")


def test_a_backlog_is_not_sent_over_and_over(redis_client: redis.Redis, settings: Any) -> None:
    settings.RUN_RESEND_AFTER_S = 0
    for _ in range(3):
        enqueue("bench")
    assert [upkeep.resend() for _ in range(3)] == [0, 0, 0]
    redis_client.rpop("bench")
    assert upkeep.resend() == 3
    assert redis_client.llen("bench") == 5
