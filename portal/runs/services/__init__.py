"""Rules about runs that involve several rows or the workers."""

from portal.runs.services.queueing import cancel, enqueue, retry
from portal.runs.services.schedules import ensure_schedule

__all__ = ["cancel", "enqueue", "ensure_schedule", "retry"]
