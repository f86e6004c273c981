"""What /api/metrics tells, to whom, and that it counts every process."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import psutil
import pytest
from django.conf import LazySettings
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import resolve
from prometheus_client.parser import text_string_to_metric_families

from monitoring import counting, health
from monitoring.services import exposition
from portal.lib import metrics
from portal.runs import services
from portal.runs.models import Run
from portal.runs.tasks import perform
from tests.registry.conftest import SYSTEM
from tests.worker import Worker

REQUIRED = {
    "portal_uptime_seconds",
    "portal_requests_total",
    "portal_errors_total",
    "portal_predictions_total",
    "portal_prediction_latency_seconds",
}
WaitFor = Callable[..., object]


@pytest.fixture
def caller() -> Client:
    return Client(raise_request_exception=False)


def value(name: str, **labels: str) -> float:
    """Return the sum of a metric's samples with these labels, over all processes."""
    for family in text_string_to_metric_families(exposition.text().decode()):
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                return float(sample.value)
    return 0.0


def told(answer: Any) -> dict[str, Any]:
    return {one.name: one for one in text_string_to_metric_families(answer.content.decode())}


@pytest.mark.django_db
def test_the_metrics_that_were_promised_are_there(caller: Client) -> None:
    answer = caller.get("/api/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    text = answer.content.decode()
    missing = [name for name in REQUIRED if f"# TYPE {name} " not in text]
    assert not missing
    assert "# TYPE portal_prediction_latency_seconds histogram" in text
    assert told(answer)["portal_uptime_seconds"].samples[0].value >= 0


@pytest.mark.django_db
def test_json_tells_the_same_names(caller: Client) -> None:
    body = caller.get("/api/metrics/json").json()
    names = {metric["name"] for metric in body["metrics"]}
    assert names >= REQUIRED
    text = caller.get("/api/metrics").content.decode()
    assert [name for name in names if f"# HELP {name} " not in text] == []


@pytest.mark.django_db
def test_every_part_answers(caller: Client) -> None:
    samples = told(caller.get("/api/metrics"))["portal_scrape_ok"].samples
    assert {one.labels["part"]: one.value for one in samples} == dict.fromkeys(metrics.reads(), 1)


@pytest.mark.django_db
def test_a_part_that_fails_is_named_and_the_others_answer(
    caller: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> Any:
        raise RuntimeError("word-kept-inside")

    monkeypatch.setitem(metrics._reads, "work", fail)
    answer = caller.get("/api/metrics")
    assert b'portal_scrape_ok{part="work"} 0.0' in answer.content
    assert b"portal_schedules" in answer.content
    assert b"word-kept-inside" not in answer.content


# --- Who may read ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/metrics", "/api/metrics/json"])
def test_a_stranger_is_refused(caller: Client, path: str) -> None:
    answer = caller.get(path, REMOTE_ADDR="10.1.2.3")
    assert (answer.status_code, answer.json()["code"]) == (403, "metrics_restricted")


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
def test_a_proxy_nobody_told_of_opens_nothing(caller: Client, header: str) -> None:
    answer = caller.get("/api/metrics", headers={header: "127.0.0.1"})
    assert answer.status_code == 403


@pytest.mark.django_db
def test_behind_our_own_proxy_the_callers_address_counts(
    caller: Client, settings: LazySettings
) -> None:
    settings.N_PROXIES = 1
    settings.METRICS_ALLOW = ["10.9.0.0/16"]

    def ask(chain: str) -> int:
        return caller.get(
            "/api/metrics", REMOTE_ADDR="127.0.0.1", HTTP_X_FORWARDED_FOR=chain
        ).status_code

    assert ask("8.8.8.8, 10.9.1.1") == 200
    assert ask("10.9.1.1, 8.8.8.8") == 403


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("token", "sent", "status"),
    [
        ("a-token-of-some-length", "Bearer a-token-of-some-length", 200),
        ("a-token-of-some-length", "bearer a-token-of-some-length", 200),
        ("a-token-of-some-length", "Bearer another", 401),
        ("a-token-of-some-length", "Basic a-token-of-some-length", 401),
        ("", "Bearer ", 401),
    ],
)
def test_the_token_opens_from_anywhere(
    caller: Client, settings: LazySettings, token: str, sent: str, status: int
) -> None:
    settings.METRICS_TOKEN = token
    answer = caller.get("/api/metrics", REMOTE_ADDR="10.1.2.3", HTTP_AUTHORIZATION=sent)
    assert answer.status_code == status


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["::1", "::ffff:127.0.0.1", "127.8.8.8"])
def test_loopback_is_let_in_as_it_is_spelt(caller: Client, address: str) -> None:
    assert caller.get("/api/metrics", REMOTE_ADDR=address).status_code == 200


def test_an_address_that_is_none_is_refused(caller: Client) -> None:
    assert caller.get("/api/metrics", REMOTE_ADDR="").status_code == 403


# --- What is counted ------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_request_is_counted_by_its_route_and_never_by_its_path(caller: Client) -> None:
    paths = [f"/api/v1/runs/00000000-0000-0000-0000-00000000000{n}/" for n in range(3)]
    route = resolve(paths[0]).route
    assert "<" in route
    before = value("portal_requests_total", route=route, status="401")
    for path in paths:
        caller.get(path)
    assert value("portal_requests_total", route=route, status="401") == before + 3
    assert b"00000000-0000" not in exposition.text()


@pytest.mark.django_db
def test_unknown_paths_and_methods_share_one_series(caller: Client) -> None:
    before = value("portal_requests_total", method="other", route="unmatched")
    for n in range(3):
        caller.generic(f"BREW{n}", f"/nowhere-{n}/")
    assert value("portal_requests_total", method="other", route="unmatched") == before + 3
    assert b"BREW" not in exposition.text()
    assert b"nowhere-1" not in exposition.text()


@pytest.mark.django_db
def test_a_fault_is_counted_as_an_error() -> None:
    before = value("portal_errors_total", method="GET", route="unmatched")
    middleware = counting.CountingMiddleware(lambda _request: HttpResponse(status=503))
    middleware(RequestFactory().get("/nowhere/"))
    assert value("portal_errors_total", method="GET", route="unmatched") == before + 1


@pytest.mark.django_db
def test_the_time_of_a_request_is_kept(caller: Client) -> None:
    before = value("portal_request_seconds_count", route="unmatched")
    caller.get("/nowhere/")
    assert value("portal_request_seconds_count", route="unmatched") == before + 1


@pytest.mark.django_db(transaction=True)
def test_a_run_is_counted_once_it_is_over() -> None:
    def n_succeeded() -> float:
        return value("portal_runs_total", kind="portal.selftest", state="succeeded")

    before = n_succeeded()
    run = services.enqueue(kind="portal.selftest", actor=SYSTEM, parameters={})
    assert n_succeeded() == before
    perform(str(run.pk), worker="tests:1")
    assert n_succeeded() == before + 1


@pytest.mark.django_db(transaction=True)
def test_queues_tell_what_waits_and_for_how_long() -> None:
    services.enqueue(kind="portal.selftest", actor=SYSTEM, parameters={})
    queue = Run.objects.get().queue
    assert value("portal_queue_runs", queue=queue, state="queued") == 1
    assert value("portal_queue_oldest_wait_seconds", queue=queue) >= 0
    assert value("portal_queue_runs", queue="bench", state="queued") == 0


def test_uptime_does_not_begin_anew_with_a_worker() -> None:
    words = [sys.executable, "-c", "input()"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, text=True) as worker:  # noqa: S603 - our own words
        of_server, of_worker = psutil.Process(), psutil.Process(worker.pid)
        assert of_worker.create_time() > of_server.create_time()
        started = health.server_start(of_worker)
        worker.communicate("\n")
    assert started == of_server.create_time()


@pytest.mark.integration
@pytest.mark.django_db(transaction=True)
def test_a_killed_worker_takes_no_count_with_it(
    celery_worker: Callable[..., Worker], wait_for: WaitFor
) -> None:
    def n_succeeded() -> float:
        return value("portal_runs_total", kind="portal.selftest", state="succeeded")

    def work(worker: Worker, n: int) -> None:
        for _ in range(n):
            services.enqueue(kind="portal.selftest", actor=SYSTEM, parameters={})
        wait_for(lambda: not Run.objects.active().exists(), timeout=60)
        assert Run.objects.count() == Run.objects.filter(state="succeeded").count()

    before = n_succeeded()
    first = celery_worker()
    work(first, 3)
    wait_for(lambda: n_succeeded() == before + 3, timeout=30)
    os.killpg(first.pid, signal.SIGKILL)
    first.process.wait()
    assert n_succeeded() == before + 3
    second = celery_worker()
    work(second, 2)
    wait_for(lambda: n_succeeded() == before + 5, timeout=30)
