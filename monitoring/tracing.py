"""Traces by OpenTelemetry, for who wants them: one from a request through the runs that it starts.

Off unless MILLWRIGHT_OTLP_ENDPOINT names a collector; the product needs none of it, and its
packages are an extra (requirements-otel.txt). A request that is traced gives its trace to the
messages it sends, and the worker that takes one goes on with it. A message that was lost and sent
again by the sweeper begins a trace of its own; the request's id is on both.
"""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import structlog
from celery import Task, signals
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from portal.core.request_context import current_request_id
from portal.runs import provenance
from portal.runs.messages import EXECUTE
from portal.runs.models import Run, State

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span

NAME = "millwright"
FAULT = 500
#: Of the headers of a message: those that carry a trace (W3C Trace Context).
CARRIED = ("traceparent", "tracestate")
#: A run that ended so did not do what it was for.
WRONG = {State.ERRORED, State.FAILED}

Handler = Callable[[HttpRequest], HttpResponseBase]
log = structlog.get_logger(__name__)


def start(exporter: "SpanExporter | None" = None) -> None:
    """Begin to trace in this process and in those it forks.

    Parameters
    ----------
    exporter
        Where spans go; by default the collector of MILLWRIGHT_OTLP_ENDPOINT.
    """
    from opentelemetry import trace  # noqa: PLC0415 - an extra, as all below
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio  # noqa: PLC0415

    about = {
        "service.name": NAME,
        "service.version": settings.VERSION,
        "host.name": provenance.host(),
    }
    provider = TracerProvider(
        resource=Resource.create(about),
        sampler=ParentBasedTraceIdRatio(settings.TRACED_PERCENT / 100),
    )
    exporter = exporter or OTLPSpanExporter(f"{settings.OTLP_ENDPOINT.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    connect()
    log.info("tracing_started", percent=settings.TRACED_PERCENT)


def connect() -> None:
    """Hand the trace to messages, and take it up where they arrive."""
    signals.before_task_publish.connect(_hand_over, dispatch_uid="trace-hand-over")
    signals.task_prerun.connect(_take_up, dispatch_uid="trace-take-up")
    signals.task_postrun.connect(_finish, dispatch_uid="trace-finish")
    signals.worker_process_shutdown.connect(_flush, dispatch_uid="trace-flush")


def disconnect() -> None:
    """Undo :func:`connect`, as between tests."""
    signals.before_task_publish.disconnect(dispatch_uid="trace-hand-over")
    signals.task_prerun.disconnect(dispatch_uid="trace-take-up")
    signals.task_postrun.disconnect(dispatch_uid="trace-finish")
    signals.worker_process_shutdown.disconnect(dispatch_uid="trace-flush")


class TracingMiddleware:
    """One span for each request; stands right behind the request id."""

    def __init__(self, get_response: Handler) -> None:
        from opentelemetry import propagate, trace  # noqa: PLC0415 - an extra

        self.get_response = get_response
        self._tracer = trace.get_tracer(NAME)
        self._extract = propagate.extract
        self._kind = trace.SpanKind.SERVER
        self._failed = trace.StatusCode.ERROR

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        sent = {name: request.META.get(f"HTTP_{name.upper()}", "") for name in CARRIED}
        with self._tracer.start_as_current_span(
            str(request.method), context=self._extract(sent), kind=self._kind
        ) as span:
            response = self.get_response(request)
            if span.is_recording():
                self._tell(span, request, response)
            return response

    def _tell(self, span: "Span", request: HttpRequest, response: HttpResponseBase) -> None:
        match = request.resolver_match
        route = match.route if match is not None else request.path_info.removeprefix("/")
        span.update_name(f"{request.method} {route}")
        span.set_attributes(
            {
                "http.request.method": str(request.method),
                "http.route": route,
                "http.response.status_code": response.status_code,
                "portal.request_id": current_request_id(),
            }
        )
        if response.status_code >= FAULT:
            span.set_status(self._failed)


# --- Messages and runs ----------------------------------------------------------------------------

_open: dict[str, tuple["Span", AbstractContextManager[Any]]] = {}


def _hand_over(headers: dict[str, Any], **_about: Any) -> None:
    from opentelemetry import propagate  # noqa: PLC0415 - an extra

    propagate.inject(headers)


def _take_up(task_id: str, task: Task[Any, Any], **_about: Any) -> None:
    from opentelemetry import propagate, trace  # noqa: PLC0415 - an extra

    if task.name != EXECUTE:
        return
    run = Run.objects.filter(pk=task_id).values_list("kind", "request_id").first()
    kind, request_id = run or ("", "")
    sent = {name: str(getattr(task.request, name, None) or "") for name in CARRIED}
    span = trace.get_tracer(NAME).start_span(
        f"run {kind}",
        context=propagate.extract(sent),
        kind=trace.SpanKind.CONSUMER,
        attributes={
            "portal.run_id": task_id,
            "portal.run_kind": kind,
            "portal.request_id": request_id,
            "process.pid": os.getpid(),
        },
    )
    current = trace.use_span(span, end_on_exit=True)
    current.__enter__()
    _open[task_id] = (span, current)


def _finish(task_id: str, **_about: Any) -> None:
    from opentelemetry import trace  # noqa: PLC0415 - an extra

    span, current = _open.pop(task_id, (None, None))
    if span is None or current is None:
        return
    run = Run.objects.filter(pk=task_id).values_list("state", "error_message").first()
    if run is not None:
        span.set_attribute("portal.run_state", run[0])
        if run[0] in WRONG:
            span.set_status(trace.StatusCode.ERROR, run[1][:300])
    current.__exit__(None, None, None)


def _flush(**_about: Any) -> None:
    from opentelemetry import trace  # noqa: PLC0415 - an extra

    provider: Any = trace.get_tracer_provider()
    provider.shutdown()
