"""The Celery application: workers start with ``-A portal.celery``."""

import logging
import os
from typing import Any

import structlog
from celery import Celery, Task, signals

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

app = Celery("millwright")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@signals.setup_logging.connect
def keep_django_logging(**_kwargs: Any) -> None:
    """Leave the logging that Django configured; a receiver keeps Celery from making its own."""
    logging.captureWarnings(True)


@signals.task_prerun.connect
def bind_task(task_id: str, task: Task[Any, Any], **_kwargs: Any) -> None:
    """Put the task on every line logged while it works; a run's id is that of its task."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(task=task.name, task_id=task_id)


@signals.task_postrun.connect
def unbind_task(**_kwargs: Any) -> None:
    """Leave nothing of one task on the lines of the next."""
    structlog.contextvars.clear_contextvars()
