"""The work of this app's queues; importing it registers the kinds and the Celery tasks."""

from portal.runs.tasks import workers
from portal.runs.tasks.execution import execute, perform, sweep
from portal.runs.tasks.retention import remove_old_events
from portal.runs.tasks.selftest import selftest

__all__ = ["execute", "perform", "remove_old_events", "selftest", "sweep", "workers"]
