"""The account Postgres runs as: it refuses to run as root, so root lends it an unprivileged one."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from portal.stack.errors import StackError

LENT_NAMES = ("postgres", "nobody")
PROBE_TIMEOUT_S = 10


@dataclass(frozen=True)
class Account:
    """How a command is run so that Postgres accepts its user.

    Attributes
    ----------
    name
        For messages.
    uid, gid
        The identity switched to, or None to keep one's own.
    prefix
        Words put before the command, for identities that a switch cannot give.
    """

    name: str
    uid: int | None = None
    gid: int | None = None
    prefix: tuple[str, ...] = ()

    @property
    def switches(self) -> bool:
        """Whether commands run under another identity, to which files must be given."""
        return self.uid is not None

    def popen_options(self) -> dict[str, Any]:
        """Return the keywords for subprocess that switch the identity."""
        if self.uid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def command(self, words: Sequence[str | Path]) -> list[str]:
        """Return the command line to execute."""
        return [*self.prefix, *map(str, words)]

    def run(
        self,
        words: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        timeout_s: float = PROBE_TIMEOUT_S,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end and return its outcome, whatever its exit code."""
        return subprocess.run(  # noqa: S603 - the words are ours
            self.command(words),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env=env,
            timeout=timeout_s,
            **self.popen_options(),
        )

    def can(self, words: Sequence[str | Path]) -> bool:
        """Whether a probing command succeeds under this identity."""
        try:
            return self.run(words).returncode == 0
        except (OSError, subprocess.SubprocessError):
            return False

    def can_enter(self, folder: Path) -> bool:
        """Whether this identity can look into a folder, all its parents included."""
        return self.can(["/bin/sh", "-c", 'cd -- "$1"', "sh", folder])

    def give(self, path: Path) -> None:
        """Make a file or folder this identity's own."""
        if self.uid is not None:
            os.chown(path, self.uid, self.gid if self.gid is not None else -1)


OWN = Account("own user")


def _lent(entry: pwd.struct_passwd) -> Account | None:
    account = Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    return account if entry.pw_uid != 0 and account.can(["/bin/sh", "-c", ":"]) else None


def _by_name(name: str) -> Account | None:
    try:
        return _lent(pwd.getpwnam(name))
    except KeyError:
        return None


def _mapped() -> Account | None:
    """Root seen as an ordinary user inside a user namespace of its own.

    The user seen must be in the password file, where initdb looks its name up.
    """
    unshare = shutil.which("unshare")
    uid = next((entry.pw_uid for entry in pwd.getpwall() if entry.pw_name in LENT_NAMES), None)
    if unshare is None or uid is None:
        return None
    prefix = (unshare, "--user", f"--map-user={uid}", f"--map-group={uid}")
    account = Account("mapped user", prefix=prefix)
    return account if account.can(["/bin/sh", "-c", f'[ "$(id -u)" = {uid} ]']) else None


def _owner(data: Path) -> Account | None:
    try:
        return _lent(pwd.getpwuid(data.stat().st_uid))
    except (FileNotFoundError, KeyError):
        return None


def choose(data: Path) -> Account:
    """Return the account Postgres runs as over the data folder `data`, which need not exist yet.

    Raises
    ------
    StackError
        When we are root and can neither lend another identity nor map ourselves to one.
    """
    if os.geteuid() != 0:
        return OWN
    finders: list[Callable[[], Account | None]] = [_mapped]
    if not data.exists() or data.stat().st_uid != 0:
        finders = [
            partial(_owner, data),
            *(partial(_by_name, name) for name in LENT_NAMES),
            _mapped,
        ]
    for find in finders:
        account = find()
        if account is not None:
            return account
    raise StackError(
        "Postgres refuses to run as root, and here root can neither become another user nor make "
        "a user namespace. Start as an ordinary user, or set DATABASE_URL to a Postgres server you "
        "run yourself."
    )
