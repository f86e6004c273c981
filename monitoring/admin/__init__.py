"""Pages of monitoring, and what it shows on those of others."""

from monitoring.admin import objectives, usage

__all__ = ["objectives", "usage"]
