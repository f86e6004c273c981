"""What the probes say about a whole portal, an empty one and an ill one."""

import os
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import LazySettings
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from monitoring import probes
from portal.core import findings, store
from portal.core.findings import Finding, Status
from portal.lib import clock
from portal.registry.models import RegisteredModel
from portal.runs import provenance, storage_health
from portal.runs.models import Heartbeat, Queue, Run
from predictions.services import counts, stream

PARTS = {
    "postgres",
    "migrations",
    "redis",
    "workers",
    "beat",
    "recorder",
    "sampler",
    "watcher",
    "queues",
    "dead_man",
    "stream",
    "search",
    "champions",
    "disk",
    "processes",
    "artifacts",
}


@pytest.fixture
def caller() -> Client:
    return Client(raise_request_exception=False)


def live(name: str, role: str, **fields: Any) -> Heartbeat:
    about = {"host": provenance.host(), "pid": os.getpid()} | fields
    return Heartbeat.objects.create(name=name, role=role, **about)


@pytest.fixture
def portal_at_work(transactional_db: None) -> None:
    """Have the signs of life of a whole portal."""
    live("w1", "worker", detail={"queues": [queue.value for queue in Queue]})
    live("beat", "beat")
    live("recorder@1", "recorder")
    live("sampler@1", "sampler")
    live("watcher@1", "watcher")


def test_livez_touches_nothing(caller: Client) -> None:
    answer = caller.get("/livez")
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/livez", "/readyz", "/api/health"])
def test_probes_answer_whatever_host_is_asked_for(caller: Client, path: str) -> None:
    answer = caller.get(path, headers={"host": "10.0.0.7"})
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Request-ID"]


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/api/health"])
def test_probes_are_only_read(caller: Client, path: str) -> None:
    answer = caller.post(path)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_probes_are_not_redirected_to_https(caller: Client, settings: LazySettings) -> None:
    settings.SECURE_SSL_REDIRECT = True
    assert caller.get("/livez").status_code == 200


@pytest.mark.django_db
def test_readyz_says_ready_when_everything_needed_answers(caller: Client) -> None:
    answer = caller.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "missing": {}})


@pytest.mark.django_db
def test_the_last_migration_must_be_applied() -> None:
    recorder = MigrationRecorder(connection)
    last = MigrationLoader(connection).graph.leaf_nodes("core")[0]
    recorder.record_unapplied(*last)
    look = probes.Migrations()
    assert look()["migrations"].status == Status.UNHEALTHY
    recorder.record_applied(*last)
    assert look()["migrations"].status == Status.HEALTHY


@pytest.fixture
def no_redis(settings: LazySettings) -> Iterator[None]:
    url = settings.REDIS_URL
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    store.redis_client.cache_clear()
    yield
    settings.REDIS_URL = url
    store.redis_client.cache_clear()


@pytest.mark.django_db
def test_without_redis_the_portal_is_neither_ready_nor_healthy(
    caller: Client, no_redis: None
) -> None:
    assert caller.get("/readyz").status_code == 503
    answer = caller.get("/api/health")
    assert (answer.status_code, answer.json()["status"]) == (503, "unhealthy")
    assert answer.json()["checks"]["redis"]["detail"] == "ConnectionError when asked."
    assert b"nowhere" not in answer.content


def test_a_whole_portal_is_healthy_and_asking_again_costs_no_query(
    caller: Client, portal_at_work: None, django_assert_num_queries: Any
) -> None:
    body = caller.get("/api/health").json()
    assert set(body) == {"status", "version", "uptime_seconds", "timestamp", "checks"}
    assert body["status"] == "healthy", body
    assert set(body["checks"]) == PARTS
    assert body["timestamp"].endswith("Z")
    with django_assert_num_queries(0):
        for _ in range(20):
            caller.get("/api/health")


@pytest.mark.django_db
@pytest.mark.parametrize("role", ["beat", "recorder", "sampler", "watcher"])
def test_a_missing_helper_degrades_the_portal(role: str) -> None:
    assert probes.work()[role].status == Status.DEGRADED


@pytest.mark.django_db
def test_without_any_worker_the_portal_is_unhealthy() -> None:
    assert probes.work()["workers"].status == Status.UNHEALTHY


@pytest.mark.django_db
def test_a_queue_nobody_serves_degrades_the_portal() -> None:
    live("w1", "worker", detail={"queues": ["train", "interactive"]})
    finding = probes.work()["workers"]
    assert (finding.status, finding.detail) == (
        Status.DEGRADED,
        "No worker for bench, maintenance.",
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    "fields",
    [
        {"pid": 2**22 + 1},
        {"at": clock.now() - timedelta(seconds=16)},
        {"at": clock.now() - timedelta(seconds=16), "host": "another machine", "pid": 1},
    ],
)
def test_a_process_that_is_gone_or_silent_does_not_count(fields: dict[str, Any]) -> None:
    live("beat", "beat", **fields)
    assert probes.work()["beat"].status == Status.DEGRADED


@pytest.mark.django_db
def test_a_process_of_another_machine_is_judged_by_its_signs_alone() -> None:
    live("beat", "beat", host="another machine", pid=2**22 + 1)
    assert probes.work()["beat"].status == Status.HEALTHY


@pytest.mark.django_db
def test_runs_that_wait_too_long_degrade_the_portal() -> None:
    old = clock.now() - timedelta(minutes=11)
    Run.objects.create(
        kind="k", queue=Queue.TRAIN, created_at=old, not_before=clock.now() + timedelta(1)
    )
    assert probes.work()["queues"].status == Status.HEALTHY
    Run.objects.create(kind="k", queue=Queue.TRAIN, created_at=old)
    finding = probes.work()["queues"]
    assert (finding.status, finding.detail) == (Status.DEGRADED, "Runs wait too long in train.")
    assert finding.figures["n_queued_by_queue"]["train"] == 1


@pytest.mark.django_db
def test_a_model_without_champion_degrades_the_portal() -> None:
    RegisteredModel.objects.create(name="other", family="quality", title="Other")
    finding = probes.champions()["champions"]
    assert (finding.status, finding.detail) == (
        Status.DEGRADED,
        "The model other has no champion.",
    )


@pytest.mark.django_db
def test_a_stream_that_nobody_empties_degrades_the_portal(redis_client: redis.Redis) -> None:
    assert counts.look_at_stream().status == Status.HEALTHY
    redis_client.xadd(stream.STREAM, {"r": "?"}, id="1-0")
    found = counts.look_at_stream()
    assert (found.status, found.detail) == (
        Status.DEGRADED,
        "Predictions reach the table too late.",
    )
    assert found.figures["n_waiting"] == 1
    assert found.figures["lag_seconds"] > 60


def test_an_entry_set_aside_degrades_the_portal(redis_client: redis.Redis) -> None:
    redis_client.xadd(stream.DEAD, {"r": "?"})
    found = counts.look_at_stream()
    assert (found.status, found.figures["n_set_aside"]) == (Status.DEGRADED, 1)


@pytest.mark.django_db
def test_a_check_that_an_app_brings_is_part_of_health(
    caller: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(findings, "_probes", {})
    findings.register("index", lambda: Finding(Status.DEGRADED, "The index is not loaded."))
    findings.register("fails", lambda: 1 / 0)  # type: ignore[return-value, arg-type]  # as a bug would
    checks = caller.get("/api/health").json()["checks"]
    assert checks["index"] == {"status": "degraded", "detail": "The index is not loaded."}
    assert checks["fails"] == {"status": "unhealthy", "detail": "ZeroDivisionError when asked."}


@pytest.mark.parametrize(
    ("limit", "status"),
    [("LITTLE_SPACE_BYTES", Status.DEGRADED), ("NO_SPACE_BYTES", Status.UNHEALTHY)],
)
def test_a_full_disk_shows(monkeypatch: pytest.MonkeyPatch, limit: str, status: Status) -> None:
    assert probes.disk()["disk"].status == Status.HEALTHY
    monkeypatch.setattr(storage_health, limit, 1 << 60)
    assert probes.disk()["disk"].status == status


def test_a_process_that_lives_and_gives_no_sign_shows(settings: Any, tmp_path: Path) -> None:
    settings.HOME = tmp_path
    signs = tmp_path / "run" / "alive"
    signs.mkdir(parents=True)
    (signs / f"web.{os.getpid()}").touch()
    (signs / "worker-train.0").touch()  # no such process
    assert probes.processes()["processes"].to_dict() == {
        "status": "healthy",
        "n_alive": 1,
        "n_hung": 0,
    }
    long_ago = time.time() - 2 * probes.SILENT_AFTER_S
    os.utime(signs / f"web.{os.getpid()}", (long_ago, long_ago))
    finding = probes.processes()["processes"]
    assert (finding.status, finding.figures["n_hung"]) == (Status.DEGRADED, 1)
    assert "web" in finding.detail
