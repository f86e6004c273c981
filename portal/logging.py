"""Logging configuration."""

from typing import Any


def logging_config(level: str) -> dict[str, Any]:
    """Return Django's LOGGING: one stream handler at the given level."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"console": {"class": "logging.StreamHandler"}},
        "root": {"handlers": ["console"], "level": level},
    }
