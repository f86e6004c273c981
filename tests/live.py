"""The whole product as an operator runs it: supervisor, embedded servers, web, workers, beat."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import psycopg

from portal.stack.processes import spawn
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parent.parent
PORTS = range(20_000, 30_000)


def free_port() -> int:
    """Return a loopback port nobody listens on, below those the kernel hands out by itself."""
    start = PORTS.start + os.getpid() % len(PORTS)
    for port in (*range(start, PORTS.stop), *range(PORTS.start, start)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(port)
    raise AssertionError("no free port")


class LiveStack:
    """A running product in a state folder of its own."""

    def __init__(self, home: Path, settings: Mapping[str, str] | None = None) -> None:
        self.home = home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        kept = ("PATH", "HOME", "LANG", "TMPDIR")
        self.env = {name: os.environ[name] for name in kept if name in os.environ} | {
            "MILLWRIGHT_HOME": os.fspath(home),
            "MILLWRIGHT_BIND": f"127.0.0.1:{self.port}",
            "MILLWRIGHT_POSTGRES_DATA": os.fspath(home.parent / "pg"),
            **(settings or {}),
        }
        self.log = home.parent / "console.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str, timeout: float = 90) -> None:
        """Start the supervisor and return when the web answers."""
        with self.log.open("ab") as output:
            self.process = process = spawn(
                [sys.executable, "-m", "portal.stack", "serve", "--no-demo", *options],
                env=self.env,
                output=output.fileno(),
                cwd=ROOT,
            )
        wait_for(lambda: self.is_ready() or process.poll() is not None, timeout)
        assert process.poll() is None, self.console()

    def is_running(self) -> bool:
        """Whether the supervisor lives."""
        return self.process is not None and self.process.poll() is None

    def is_ready(self) -> bool:
        """Whether the supervisor has said that the web answers."""
        try:
            facts = self.state()
        except FileNotFoundError:
            return False
        return (
            bool(facts.get("ready"))
            and self.process is not None
            and facts["pid"] == self.process.pid
        )

    def console(self) -> str:
        """Return what the supervisor has printed."""
        return self.log.read_text()

    def is_complete(self) -> bool:
        """Whether every member runs; beat is started last."""
        members = self.state()["members"]
        return "beat" in members and all(members.values())

    def answers(self, path: str = "/admin/login/") -> bool:
        """Whether the web gives a good answer to a GET."""
        try:
            with urlopen(self.url + path, timeout=5) as answer:  # noqa: S310 - our own loopback
                return bool(answer.status < 400)
        except (URLError, OSError):
            return False

    def database_answers(self) -> bool:
        """Whether the embedded Postgres takes connections."""
        try:
            psycopg.connect(self.state()["database_url"], connect_timeout=3).close()
        except psycopg.OperationalError:
            return False
        return True

    def state(self) -> dict[str, Any]:
        """Return what the supervisor says about itself: URLs, members and their process ids."""
        return dict(json.loads((self.home / "run" / "stack.json").read_text()))

    def pid(self, name: str) -> int:
        """Return the process id of a member that runs now: postgres, redis, web, worker-train, …"""
        return wait_for(lambda: int(self.state()["members"].get(name) or 0), 30)

    def kill(self, name: str) -> int:
        """Kill one member with SIGKILL and return its process id; the supervisor restarts it."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGKILL)
        return pid

    def wait_restarted(self, name: str, old_pid: int, timeout: float = 30) -> int:
        """Return the new process id of a member that was killed."""
        return wait_for(
            lambda: (pid := self.state()["members"].get(name)) not in {None, 0, old_pid} and pid,
            timeout,
        )

    def restart(self, name: str) -> int:
        """Kill one member, wait for its successor and return that one's process id."""
        return self.wait_restarted(name, self.kill(name))

    def hold(self, name: str) -> None:
        """Stop one member and keep it stopped until :meth:`release`."""
        self._stack("hold", name)
        wait_for(lambda: not self.state()["members"].get(name), 30)

    def release(self, name: str) -> int:
        """Let the supervisor start a held member again; return its process id."""
        self._stack("release", name)
        return self.pid(name)

    def _stack(self, *words: str) -> None:
        self._run("-m", "portal.stack", *words)

    def _run(self, *words: str) -> str:
        done = subprocess.run(  # noqa: S603 - the words are ours
            [sys.executable, *words],
            cwd=ROOT,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def manage(self, *words: str) -> str:
        """Run a management command against this stack and return what it printed."""
        return self._run("manage.py", *words)

    def admin_password(self) -> str:
        """Return the password of the first administrator, whose name is admin."""
        return (self.home / "secrets" / "admin_password").read_text().strip()

    def interrupt(self, timeout: float = 60) -> int:
        """Press Ctrl-C and return the exit code."""
        return self._end(signal.SIGINT, timeout)

    def kill_supervisor(self) -> int:
        """Kill the supervisor with SIGKILL; the guardian ends the rest."""
        return self._end(signal.SIGKILL, 10)

    def _end(self, how: signal.Signals, timeout: float) -> int:
        assert self.process is not None, "not started"
        self.process.send_signal(how)
        return self.process.wait(timeout)

    def close(self) -> None:
        """End everything, however far it came."""
        if self.is_running():
            self.interrupt()


@contextmanager
def live(settings: Mapping[str, str] | None = None) -> Iterator[LiveStack]:
    """Run a stack with settings of its own for the time of a ``with`` block."""
    folder = Path(tempfile.mkdtemp(prefix="millwright-live-"))
    folder.chmod(0o711)
    stack = LiveStack(folder / "home", settings)
    try:
        stack.start()
        yield stack
    finally:
        stack.close()
        shutil.rmtree(folder, ignore_errors=True)
