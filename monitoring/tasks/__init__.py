"""The work of monitoring; importing this package registers its kinds and schedules."""

from monitoring.tasks import backups, upkeep

__all__ = ["backups", "upkeep"]
