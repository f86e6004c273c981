"""Admin pages of runs and schedules."""

from portal.runs.admin import runs, schedules

__all__ = ["runs", "schedules"]
