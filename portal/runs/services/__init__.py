"""Rules about runs that involve several rows or the workers."""

from portal.runs.services.queueing import cancel, dismiss, enqueue, retry
from portal.runs.services.schedules import ensure_schedule

__all__ = ["cancel", "dismiss", "enqueue", "ensure_schedule", "retry"]
