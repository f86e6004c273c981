"""Rules about runs that involve several rows or the workers."""

from portal.runs.services.queueing import cancel, checked_seed, dismiss, enqueue, retry
from portal.runs.services.schedules import ensure_schedule

__all__ = ["cancel", "checked_seed", "dismiss", "enqueue", "ensure_schedule", "retry"]
