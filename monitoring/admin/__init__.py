"""Pages of monitoring, and what it shows on those of others."""

from monitoring.admin import (
    alert_rules,
    channels,
    chat_accounts,
    drift,
    drift_decisions,
    objectives,
    quality,
    query_watches,
    silences,
    usage,
)

__all__ = [
    "alert_rules",
    "channels",
    "chat_accounts",
    "drift",
    "drift_decisions",
    "objectives",
    "quality",
    "query_watches",
    "silences",
    "usage",
]
