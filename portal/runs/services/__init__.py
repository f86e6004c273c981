"""Rules about runs that involve several rows or the workers."""

from portal.runs.services.queueing import cancel, enqueue, retry

__all__ = ["cancel", "enqueue", "retry"]
