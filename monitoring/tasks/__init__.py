"""The work of monitoring; importing this package registers its kinds and schedules."""

from monitoring.tasks import backups, sampling, upkeep

__all__ = ["backups", "sampling", "upkeep"]
