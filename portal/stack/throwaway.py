"""A Postgres and a Redis for a test run, in a temporary folder that is gone afterwards."""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from portal.stack import account, postgres, processes, redis
from portal.stack.errors import StackError
from portal.stack.lifeline import Lifeline

READY_TIMEOUT_S = 60


@dataclass(frozen=True)
class Throwaway:
    """Where a throw-away stack lives.

    Attributes
    ----------
    home
        A state folder for whatever uses it.
    postgres, redis
        The two servers.
    """

    home: Path
    postgres: postgres.Postgres
    redis: redis.Redis


def _base() -> Path:
    """Return a folder for temporary files whose path is short enough for sockets."""
    base = Path(tempfile.gettempdir())
    return base if len(str(base)) <= len("/var/tmp") else Path("/tmp")  # noqa: S108 - mkdtemp is private


def _prepare(folder: Path) -> Throwaway:
    runner = account.choose(folder / "pg")
    folder.chmod(0o711 if runner.switches else 0o700)
    home = folder / "home"
    home.mkdir(mode=0o700)
    cluster = postgres.prepare(
        data=folder / "pg",
        outside=folder,
        sockets=folder / "s",
        account=runner,
        password=secrets.token_urlsafe(12),
        durable=False,
    )
    store = redis.Redis(
        folder / "redis", folder / "redis.sock", secrets.token_urlsafe(12), durable=False
    )
    store.prepare()
    return Throwaway(home, cluster, store)


@contextmanager
def throwaway() -> Iterator[Throwaway]:
    """Run both servers for the time of a ``with`` block."""
    folder = Path(tempfile.mkdtemp(prefix="millwright-test-", dir=_base()))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        things = _prepare(folder)
        lifeline = Lifeline()
        stack.callback(lifeline.close)
        lifeline.remove(folder)
        log = stack.enter_context((folder / "servers.log").open("ab"))
        env = things.postgres.environment() | lifeline.environment()

        def run(
            words: list[str | Path], runner: account.Account, how: signal.Signals
        ) -> subprocess.Popen[bytes]:
            process = processes.spawn(
                words, env=env, output=log.fileno(), account=runner, death_signal=how
            )
            stack.callback(processes.stop, process, how, 10)
            lifeline.watch(process.pid, how)
            return process

        server = run(things.postgres.command(), things.postgres.account, signal.SIGQUIT)
        store = run(things.redis.command(), account.OWN, signal.SIGTERM)
        try:
            for name, process, ready in (
                ("Redis", store, things.redis.answers),
                ("Postgres", server, things.postgres.answers),
            ):
                processes.wait_until(
                    ready,
                    what=name,
                    timeout_s=READY_TIMEOUT_S,
                    alive=lambda process=process: process.poll() is None,  # type: ignore[misc]
                )
        except StackError as exc:
            raise StackError(f"{exc}\n{(folder / 'servers.log').read_text()}") from exc
        yield things


def environment(things: Throwaway, redis_database: int = 0) -> dict[str, str]:
    """Return the variables that point the product at a throw-away stack."""
    return {
        "DATABASE_URL": things.postgres.url("postgres"),
        "REDIS_URL": things.redis.url(redis_database),
        "MILLWRIGHT_HOME": os.fspath(things.home),
    }
