"""Pages of monitoring, and what it shows on those of others."""

from monitoring.admin import drift, drift_decisions, objectives, quality, usage

__all__ = ["drift", "drift_decisions", "objectives", "quality", "usage"]
