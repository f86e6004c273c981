"""pg_dump and pg_restore of the right version, and the server they talk to."""

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
from django.db import connection
from django.utils.translation import gettext as _
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from portal.core.errors import Corrupt, OutOfSpace, Unavailable
from portal.stack import postgres
from portal.stack.errors import StackError

POLL_S = 0.2
CONNECT_TIMEOUT_S = 10
LONGEST_REASON = 500
#: Sessions that read whole tables and hold a snapshot must not be ended by the server's limits.
PATIENT = "-c statement_timeout=0 -c idle_in_transaction_session_timeout=0 -c lock_timeout=0"
#: A row as text must read the same in every session.
PLAIN = "-c timezone=UTC -c datestyle=ISO,YMD -c intervalstyle=postgres -c extra_float_digits=1"
OPTION_VARIABLES = {"sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT"}

Check = Callable[[], None]


@dataclass(frozen=True)
class Server:
    """One database of one server.

    Attributes
    ----------
    host, port, user, password, database
        As libpq takes them.
    options
        Further keywords of libpq, such as sslmode.
    """

    host: str
    port: str
    user: str
    password: str
    database: str
    options: tuple[tuple[str, str], ...] = ()

    def renamed(self, database: str) -> "Server":
        """Return another database of the same server."""
        return Server(self.host, self.port, self.user, self.password, database, self.options)

    def environment(self) -> dict[str, str]:
        """Return what libpq's programs read; a password on a command line is seen by everybody."""
        own = {
            "PGHOST": self.host,
            "PGPORT": self.port,
            "PGUSER": self.user,
            "PGPASSWORD": self.password,
            "PGDATABASE": self.database,
            "PGOPTIONS": PATIENT,
        }
        own |= {OPTION_VARIABLES[k]: v for k, v in self.options if k in OPTION_VARIABLES}
        return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"} | {
            name: value for name, value in own.items() if value
        }

    def connect(self) -> "psycopg.Connection[Any]":
        """Return a patient connection in which every statement stands for itself.

        Raises
        ------
        Unavailable
            When the server does not let us in.
        """
        given = {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password,
            "dbname": self.database,
            "options": f"{PATIENT} {PLAIN}",
            "connect_timeout": str(CONNECT_TIMEOUT_S),
            **dict(self.options),
        }
        words = make_conninfo(**{name: value for name, value in given.items() if value})
        try:
            return psycopg.connect(words, autocommit=True)
        except psycopg.OperationalError as exc:
            raise Unavailable(
                _("The database %(name)s does not answer (%(reason)s).")
                % {"name": self.database, "reason": str(exc).strip()}
            ) from exc

    def url(self) -> str:
        """Return the URL that DATABASE_URL takes."""
        words = dict(self.options)
        host = self.host
        if host.startswith("/"):
            words, host = {"host": self.host, **words}, ""
        place = f"{host}:{self.port}" if self.port and host else host
        query = f"?{urlencode(words)}" if words else ""
        if self.port and not host:
            query += f"&port={self.port}"
        return (
            f"postgresql://{quote(self.user, safe='')}:{quote(self.password, safe='')}@{place}"
            f"/{quote(self.database, safe='')}{query}"
        )


def own_server() -> Server:
    """Return the database the portal works on."""
    given = connection.settings_dict
    options = given.get("OPTIONS", {})
    kept = tuple((name, str(options[name])) for name in OPTION_VARIABLES if name in options)
    host, port, user, password, name = (
        str(given[key] or "") for key in ("HOST", "PORT", "USER", "PASSWORD", "NAME")
    )
    return Server(host, port, user, password, name, kept)


def server_of(url: str) -> Server:
    """Return the database a URL names."""
    words = {name: str(value or "") for name, value in conninfo_to_dict(url).items()}
    host, port, user, password, database = (
        words.pop(key, "") for key in ("host", "port", "user", "password", "dbname")
    )
    return Server(host, port, user, password, database, tuple(words.items()))


def dump(server: Server, target: Path, *, snapshot: str, major: int, check: Check) -> None:
    """Write a database, as one exported snapshot sees it, in pg_dump's custom format.

    Raises
    ------
    Unavailable, OutOfSpace
        When pg_dump fails.
    """
    words = ["--format=custom", "--compress=gzip:1", "--no-owner", "--no-privileges"]
    _run(
        [program("pg_dump", major), *words, f"--snapshot={snapshot}", f"--file={target}"],
        server.environment(),
        check,
    )


def load(server: Server, dumped: Path, *, major: int, check: Check) -> None:
    """Fill an empty database from a dump.

    Raises
    ------
    Unavailable, OutOfSpace
        When pg_restore fails.
    """
    words = ["--exit-on-error", "--no-owner", "--no-privileges", "--jobs=2"]
    environment = server.environment()
    _run(
        [program("pg_restore", major), *words, f"--dbname={server.database}", dumped],
        environment,
        check,
    )


def major_of(opened: "psycopg.Connection[Any]") -> int:
    """Return the major version of the server behind a connection."""
    return opened.info.server_version // 10_000


def program(name: str, major: int) -> str:
    """Return the path of a Postgres program that fits a server's major version.

    Raises
    ------
    Unavailable
        When neither the installed package nor the machine has one.
    """
    for candidate in (major, *sorted(postgres.FOLDERS)):
        if candidate < major or candidate not in postgres.FOLDERS:
            continue
        try:
            return os.fspath(postgres.binaries(candidate) / "bin" / name)
        except StackError:
            continue
    for path in _on_machine(name):
        if _version(path) >= major:
            return path
    raise Unavailable(
        _(
            "There is no %(name)s for Postgres %(major)d here: install the client programs of that "
            "version and put them on the PATH."
        )
        % {"name": name, "major": major}
    )


def _on_machine(name: str) -> Iterator[str]:
    found = shutil.which(name)
    if found:
        yield found
    for path in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True):
        yield os.fspath(path)


def _version(path: str) -> int:
    said = subprocess.run(  # noqa: S603 - a program we looked up
        [path, "--version"], capture_output=True, text=True, check=False
    ).stdout
    found = re.search(r"(\d+)(?:\.\d+)?\s*(?:\(|$)", said)
    return int(found[1]) if found else 0


def _run(words: Sequence[str | Path], environment: dict[str, str], check: Check) -> None:
    """Run a program to its end, ending it when the caller must stop."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(  # noqa: S603 - a program we looked up, words of ours
            [os.fspath(word) for word in words], env=environment, stdout=said, stderr=said
        )
        try:
            while process.poll() is None:
                check()
                time.sleep(POLL_S)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        if process.returncode == 0:
            return
        said.seek(0)
        reason = said.read().decode(errors="replace").strip()[-LONGEST_REASON:]
    _fail(Path(words[0]).name, reason)


def _fail(name: str, reason: str) -> None:
    if "No space left on device" in reason:
        raise OutOfSpace(
            _("%(name)s ran out of space: %(reason)s") % {"name": name, "reason": reason}
        )
    if "input file" in reason or "archive" in reason:
        raise Corrupt(_("%(name)s refused the dump: %(reason)s") % {"name": name, "reason": reason})
    raise Unavailable(_("%(name)s failed: %(reason)s") % {"name": name, "reason": reason})
