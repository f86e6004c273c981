"""Where Postgres and Redis answer: by the environment, else by what a running stack says."""

import fcntl
import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

HOW_TO_START = (
    "The embedded Postgres and Redis of {home} are not running. Start them with script/server, "
    "or set DATABASE_URL and REDIS_URL to servers you run yourself."
)


def state_file(home: Path) -> Path:
    """Return the file in which a running supervisor says where its members answer."""
    return home / "run" / "stack.json"


def lock_file(home: Path) -> Path:
    """Return the file a running supervisor holds locked."""
    return home / "run" / "supervisor.lock"


def read(home: Path) -> dict[str, Any]:
    """Return what the supervisor last wrote; nothing when it never ran."""
    try:
        return dict(json.loads(state_file(home).read_text()))
    except (OSError, ValueError):
        return {}


def is_running(home: Path) -> bool:
    """Whether a supervisor holds this state folder now."""
    try:
        with lock_file(home).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def database_url(home: Path) -> str:
    """Return the Postgres URL; that of a stopped stack names a socket nobody listens on."""
    absent = f"postgresql://millwright@/millwright?host={quote(str(home / 'run' / 'postgres'))}"
    return os.environ.get("DATABASE_URL") or read(home).get("database_url", absent)


def redis_url(home: Path) -> str:
    """Return the Redis URL; that of a stopped stack names a socket nobody listens on."""
    absent = f"unix://{quote(str(home / 'run' / 'redis.sock'))}?db=0"
    return os.environ.get("REDIS_URL") or read(home).get("redis_url", absent)


def broker_url(url: str) -> str:
    """Return a Redis URL in Celery's own spelling, which differs for sockets."""
    parts = urlsplit(url)
    if parts.scheme != "unix":
        return url
    query = {
        {"db": "virtual_host"}.get(name, name): value for name, value in parse_qsl(parts.query)
    }
    return parts._replace(scheme="redis+socket", query=urlencode(query)).geturl()


def advice(home: Path) -> str | None:
    """Return how to start the embedded stack when it is wanted and does not run."""
    external = os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL")
    return None if external or is_running(home) else HOW_TO_START.format(home=home)
