"""Structured logs: one JSON object a line, or coloured key=value pairs on a terminal.

Whatever is bound with ``structlog.contextvars.bind_contextvars`` (the request id, the run id)
stands on every line, also on those of libraries that use the standard logging module.
"""

import sys
from typing import Any

import structlog
from structlog.typing import Processor

SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    structlog.processors.StackInfoRenderer(),
]


def _final(*, terminal: bool) -> list[Processor]:
    """Return the processors that turn an event into a line."""
    if terminal:
        return [structlog.dev.ConsoleRenderer()]
    return [
        structlog.processors.format_exc_info,
        structlog.processors.EventRenamer("message"),
        structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
    ]


def formatter() -> structlog.stdlib.ProcessorFormatter:
    """Return the formatter of all handlers, and have structlog's own loggers go through it."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=SHARED,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *_final(terminal=sys.stderr.isatty()),
        ],
    )


def logging_config(level: str) -> dict[str, Any]:
    """Return the configuration of standard logging, as plain data that JSON can carry."""
    passing = ("django", "django.server", "_granian", "granian.access")
    inherit: dict[str, Any] = {"handlers": [], "level": level, "propagate": True}
    # A line for each message of a sweep that comes every few seconds; runs log their own course.
    chatty = ("celery.app.trace", "celery.beat", "celery.worker.strategy")
    quiet = inherit | {"level": "WARNING" if level == "INFO" else level}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"structured": {"()": "portal.logging.formatter"}},
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": "structured"},
        },
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": dict.fromkeys(passing, inherit) | dict.fromkeys(chatty, quiet),
    }
