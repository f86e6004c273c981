"""The work of monitoring; importing this package registers its kinds and schedules."""

from monitoring.tasks import backups, drift, objectives, sampling, upkeep

__all__ = ["backups", "drift", "objectives", "sampling", "upkeep"]
