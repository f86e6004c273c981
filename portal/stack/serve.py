"""Starts the whole product on one machine and keeps it running."""

import contextlib
import fcntl
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from portal.env import Env
from portal.lib import hashing
from portal.logging import logging_config
from portal.stack import account, members, postgres, redis, secrets, sockets, state
from portal.stack.console import Console
from portal.stack.errors import AlreadyRunningError, StackError
from portal.stack.lifeline import Lifeline
from portal.stack.logs import Logs
from portal.stack.members import ROOT, Bind, Member, Restart
from portal.stack.supervisor import HANG_S, StopRequested, Supervisor

SERVERS = ("redis", "postgres")
SERVER_TIMEOUT_S = 300  # crash recovery of a large database takes its time
PREPARE_TIMEOUT_S = 1800
WEB_TIMEOUT_S = 120
LOCK_PATIENCE_S = 2.0
CODE = ("portal", "predictions", "search", "monitoring", "tuning", "templates")


@contextlib.contextmanager
def sole_owner(home: Path) -> Iterator[None]:
    """Hold the state folder for the time of a ``with`` block.

    Raises
    ------
    AlreadyRunningError
        When another supervisor holds it.
    """
    with state.lock_file(home).open("a+") as file:
        deadline = time.monotonic() + LOCK_PATIENCE_S
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                file.seek(0)
                owner = file.read().strip()
                if owner or time.monotonic() > deadline:
                    raise AlreadyRunningError(
                        f"A server already runs in {home} (process {owner or 'unknown'}). Stop it "
                        "with Ctrl-C there, or give this one a MILLWRIGHT_HOME of its own."
                    ) from None
                time.sleep(0.05)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def check_address_is_free(bind: Bind) -> None:
    """Refuse to start over an address that somebody else listens on.

    Raises
    ------
    StackError
        When the address is taken or not ours.
    """
    family = socket.AF_INET6 if ":" in bind.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind.host, bind.port))
        except OSError as exc:
            raise StackError(
                f"Cannot listen on {bind.host}:{bind.port} ({exc.strerror}): set MILLWRIGHT_BIND "
                "to another HOST:PORT."
            ) from exc


@dataclass(frozen=True)
class Servers:
    """The embedded servers of this start; None stands for one given by URL."""

    postgres: postgres.Postgres | None
    redis: redis.Redis | None
    sockets: Path


def prepare_servers(home: Path, env: Env) -> Servers:
    """Make the data of the embedded servers that are wanted, ready to be started."""
    for left in state.read(home).get("sockets", []):
        with contextlib.suppress(OSError):
            sockets.close_folder(Path(left))
    wants_postgres = not env.text("DATABASE_URL")
    pointer = home / "postgres.path"
    data = env.path("MILLWRIGHT_POSTGRES_DATA", home / "postgres")
    runner = account.OWN
    outside = home
    if wants_postgres:
        runner, data, outside = place_postgres(
            data, pointer, given="MILLWRIGHT_POSTGRES_DATA" in os.environ
        )
    folder = sockets.open_folder(home / "run" / "sockets", shared=runner.switches)
    cluster = store = None
    if wants_postgres:
        cluster = postgres.prepare(
            data=data,
            outside=outside,
            sockets=folder / "postgres",
            account=runner,
            password=secrets.postgres_password(home),
        )
    if not env.text("REDIS_URL"):
        store = redis.Redis(home / "redis", folder / "redis.sock", secrets.redis_password(home))
        store.prepare()
    return Servers(cluster, store, folder)


def place_postgres(data: Path, pointer: Path, *, given: bool) -> tuple[account.Account, Path, Path]:
    """Return whom Postgres runs as, its data folder, and a folder that account can enter."""
    if pointer.exists() and not given:
        data = Path(pointer.read_text().strip()) / "data"
    runner = account.choose(data)
    if not runner.switches:
        return runner, data, data.parent
    if given:
        data.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
        if not runner.can_enter(data.parent):
            raise StackError(
                f"The user {runner.name} cannot enter {data.parent}, where Postgres shall live."
            )
        return runner, data, data.parent
    outside = postgres.outside_folder(pointer, runner)
    return runner, outside / "data", outside


def code_facts() -> list[tuple[str, int, int]]:
    """Return what changes with our code, templates or lock; cheap: names, sizes, times."""
    paths = [path for name in CODE for path in (ROOT / name).rglob("*") if path.is_file()]
    paths.append(ROOT / "requirements.txt")
    return [
        (str(path.relative_to(ROOT)), path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(paths)
        if path.suffix != ".pyc"
    ]


class Product:
    """One start of the product, step by step."""

    def __init__(self, home: Path, env: Env, console: Console, *, with_demo: bool) -> None:
        self.home = home
        self.env = env
        self.console = console
        self.with_demo = with_demo
        self.bind = Bind.parse(env.text("MILLWRIGHT_BIND", members.DEFAULT_BIND))
        self.lifeline = Lifeline()
        log_to = env.choice("MILLWRIGHT_LOG_TO", "files", {"files", "console"})
        self.supervisor = Supervisor(
            run=home / "run",
            env=self._environment(),
            logs=Logs(home / "logs", to_console=log_to == "console"),
            console=console,
            lifeline=self.lifeline,
            hang_s=env.integer("MILLWRIGHT_HANG_SECONDS", int(HANG_S), low=0),
        )
        self.servers = Servers(None, None, home / "run")

    def _environment(self) -> dict[str, str]:
        """Return what all members see; caches go to our own folder, not to a home directory."""
        cache = os.fspath(self.home / "cache")
        defaults = {"XDG_CACHE_HOME": cache, "MPLCONFIGDIR": cache, "MALLOC_ARENA_MAX": "2"}
        forced = {
            "MILLWRIGHT_HOME": os.fspath(self.home),
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "PYTHONUNBUFFERED": "1",
        }
        return defaults | dict(os.environ) | forced

    def serve(self) -> None:
        """Start everything, say where it answers, and keep it running until asked to end."""
        try:
            self._start()
            self.supervisor.keep()
        except StopRequested:
            self.console.say("Stopping.")
        finally:
            self._stop()

    def _start(self) -> None:
        check_address_is_free(self.bind)
        self._start_servers()
        note = self.home / "run" / "prepared"
        digest = hashing.digest_json([code_facts(), self._database_identity()])
        if note.exists() and note.read_text() == digest:
            self._start_web()
            self._prepare()
        else:
            self._prepare()
            note.write_text(digest)
            self._start_web()
        self._say_password()
        for member in members.behind_the_web(self.env):
            self.supervisor.start(member)
        self.supervisor.facts["ready"] = True
        self.supervisor.publish()
        self._start_demo()

    def _start_servers(self) -> None:
        self.servers = servers = prepare_servers(self.home, self.env)
        facts = self.supervisor.facts
        facts["address"] = self.bind.url
        if servers.sockets != self.home / "run" / "sockets":
            facts["sockets"] = [os.fspath(servers.sockets)]
            self.lifeline.remove(servers.sockets)
        if servers.redis:
            facts["redis_url"] = servers.redis.url()
            self.supervisor.start(members.redis(servers.redis))
        if servers.postgres:
            facts["database_url"] = servers.postgres.url()
            self.supervisor.start(members.postgres(servers.postgres))
        for name in SERVERS:
            if name in self.supervisor.table:
                self.supervisor.wait_ready(name, SERVER_TIMEOUT_S)
        if servers.postgres:
            servers.postgres.create_database()
        self.console.say(f"Database and queue are ready. State: {self.home}")

    def _database_identity(self) -> list[object]:
        """Return what tells this database from another one that may take its place."""
        if self.servers.postgres is None:
            return [self.env.text("DATABASE_URL")]
        made = (self.servers.postgres.data / "PG_VERSION").stat()
        return [made.st_ino, made.st_mtime_ns]

    def _prepare(self) -> None:
        """Bring the database and the static files up to date, make the first administrator."""
        member = Member("prepare", members.manage("prepare"), restart=Restart.NEVER)
        self.supervisor.run_once(member, PREPARE_TIMEOUT_S)

    def _start_web(self) -> None:
        log_config = self.home / "run" / "granian-log.json"
        level = self.env.text("MILLWRIGHT_LOG_LEVEL", "INFO")
        log_config.write_text(json.dumps(logging_config(level)))
        self.supervisor.start(members.web(self.bind, log_config, self.env))
        self.supervisor.wait_ready("web", WEB_TIMEOUT_S)
        self.console.say(f"Ready: {self.bind.url}")

    def _say_password(self) -> None:
        """Tell the first administrator's password, once."""
        note = self.home / "run" / "new-administrator"
        if note.exists():
            path = self.home / "secrets" / "admin_password"
            self.console.say(
                f"First administrator: {note.read_text().strip()}, password: "
                f"{secrets.admin_password(self.home)} (shown once; kept in {path})"
            )
            note.unlink()

    def _start_demo(self) -> None:
        for seed in members.SEEDS if self.with_demo else ():
            if members.has_command(seed.command) and not (self.home / seed.done).exists():
                self._start_seed(seed)

    def _start_seed(self, seed: members.Seed) -> None:
        def note_end(code: int) -> None:
            if code == 0:
                (self.home / seed.done).touch()
                self.console.say(seed.says_done)
            else:
                tail = self.supervisor.logs.tail(seed.name)
                self.console.say(f"{seed.says_failed} {tail}")

        self.supervisor.on_end[seed.name] = note_end
        self.console.say(seed.says)
        self.supervisor.start(members.seeding(seed))

    def _stop(self) -> None:
        rest = [name for name in self.supervisor.table if name not in SERVERS]
        self.supervisor.stop([rest, *([name] for name in SERVERS)])
        self.lifeline.close()
        if self.servers.sockets != self.home / "run":
            with contextlib.suppress(OSError):
                sockets.close_folder(self.servers.sockets)
        self.console.say("Stopped.")


def serve(home: Path, *, with_demo: bool) -> None:
    """Run the product over a state folder until asked to end.

    Raises
    ------
    StackError
        When it cannot start; the message says why.
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        (home / "run").mkdir(mode=0o700, exist_ok=True)
        state.lock_file(home).touch()
    except OSError as exc:
        raise StackError(
            f"The state folder {home} cannot be written ({exc.strerror}): give it to the user who "
            "starts the server, or name another in MILLWRIGHT_HOME."
        ) from exc
    with sole_owner(home):
        shutil.rmtree(home / "run" / "held", ignore_errors=True)
        Product(home, Env(), Console(), with_demo=with_demo).serve()
