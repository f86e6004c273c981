"""Pages of monitoring, and what it shows on those of others."""

from monitoring.admin import usage

__all__ = ["usage"]
