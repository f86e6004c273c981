"""Where Postgres and Redis answer: from the environment, else from the running embedded stack."""

import json
import os
from pathlib import Path


def _running(home: Path) -> dict[str, str]:
    try:
        return dict(json.loads((home / "run" / "stack.json").read_text()))
    except (OSError, ValueError):
        return {}


def database_url(home: Path) -> str:
    """Return the Postgres URL."""
    default = "postgresql://millwright@127.0.0.1:5432/millwright"
    return os.environ.get("DATABASE_URL") or _running(home).get("database_url", default)


def redis_url(home: Path) -> str:
    """Return the Redis URL."""
    default = "redis://127.0.0.1:6379/0"
    return os.environ.get("REDIS_URL") or _running(home).get("redis_url", default)
