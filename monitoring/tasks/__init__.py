"""The work of monitoring; importing this package registers its kinds and schedules."""

from monitoring.tasks import alerting, backups, drift, objectives, quality, sampling, upkeep

__all__ = ["alerting", "backups", "drift", "objectives", "quality", "sampling", "upkeep"]
