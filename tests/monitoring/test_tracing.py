"""One trace from a request through the run that it starts, seen by a collector."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.conf import LazySettings
from django.core.checks import run_checks
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from monitoring import tracing
from portal.runs import services
from portal.runs.models import Run, State
from tests.registry.conftest import SYSTEM
from tests.worker import ROOT, Worker

WaitFor = Callable[..., object]


class Collector(ThreadingHTTPServer):
    """Takes spans by OTLP over HTTP."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spans: list[Span] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        told = ExportTraceServiceRequest.FromString(body)
        for resource in told.resource_spans:
            for scope in resource.scope_spans:
                self.server.spans.extend(scope.spans)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_about: object) -> None:
        """Say nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def child_environment(child_environment: dict[str, str], collector: Collector) -> dict[str, str]:
    """Give the environment of a process that traces."""
    return child_environment | {"MILLWRIGHT_OTLP_ENDPOINT": collector.url}


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Trace in this process, into memory."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    # The library's own setter takes one provider for the life of a process.
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    tracing.connect()
    yield exporter
    tracing.disconnect()


def traced(work: Callable[[HttpRequest], HttpResponse], **headers: str) -> HttpResponse:
    request = RequestFactory().post("/api/v1/training/", headers=headers)
    response = tracing.TracingMiddleware(work)(request)
    assert isinstance(response, HttpResponse)
    return response


def test_a_request_is_a_span_with_its_outcome(spans: InMemorySpanExporter) -> None:
    traced(lambda _request: HttpResponse(status=503))
    (span,) = spans.get_finished_spans()
    assert span.name == "POST api/v1/training/"
    assert (span.attributes or {})["http.response.status_code"] == 503
    assert span.status.status_code == trace.StatusCode.ERROR


def test_a_request_goes_on_with_its_callers_trace(spans: InMemorySpanExporter) -> None:
    traced(
        lambda _request: HttpResponse(),
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    )
    (span,) = spans.get_finished_spans()
    assert f"{span.context.trace_id:x}" == "4bf92f3577b34da6a3ce929d0e0e4736"


def test_a_malformed_trace_of_a_caller_does_no_harm(spans: InMemorySpanExporter) -> None:
    assert traced(lambda _request: HttpResponse(), traceparent="\x7f" * 99).status_code == 200
    assert len(spans.get_finished_spans()) == 1


def test_what_is_asked_for_without_its_packages_is_told(settings: LazySettings) -> None:
    settings.OTLP_ENDPOINT, settings.CAN_TRACE = "http://127.0.0.1:4318", False
    assert "millwright.W017" in [message.id for message in run_checks()]
    settings.CAN_TRACE = True
    assert "millwright.W017" not in [message.id for message in run_checks()]


def test_nothing_is_traced_unless_it_is_asked_for(settings: LazySettings) -> None:
    assert settings.OTLP_ENDPOINT == ""
    assert not any("tracing" in name for name in settings.MIDDLEWARE)


def test_the_product_needs_none_of_the_packages(child_environment: dict[str, str]) -> None:
    program = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "import django; django.setup()\n"
        "import portal.wsgi"
    )
    words = [sys.executable, "-c", program]
    without = {**child_environment, "MILLWRIGHT_OTLP_ENDPOINT": ""}
    subprocess.run(words, cwd=ROOT, env=without, check=True, timeout=60)  # noqa: S603 - our own words


@pytest.mark.integration
@pytest.mark.django_db(transaction=True)
def test_one_trace_runs_from_the_request_through_the_worker(
    celery_worker: Callable[..., Worker],
    collector: Collector,
    spans: InMemorySpanExporter,
    wait_for: WaitFor,
) -> None:
    def start(_request: HttpRequest) -> HttpResponse:
        with transaction.atomic():
            services.enqueue(kind="portal.selftest", actor=SYSTEM, parameters={})
        return HttpResponse(status=202)

    celery_worker()
    traced(start)
    (request,) = spans.get_finished_spans()
    wait_for(lambda: collector.spans, timeout=60)
    (work,) = collector.spans
    run = Run.objects.get()
    told = {one.key: one.value.string_value for one in work.attributes}
    assert work.name == "run portal.selftest"
    assert work.trace_id == request.context.trace_id.to_bytes(16, "big")
    assert work.parent_span_id == request.context.span_id.to_bytes(8, "big")
    assert (told["portal.run_id"], told["portal.run_state"]) == (str(run.pk), State.SUCCEEDED)
