"""Secrets generated once and kept in files only their owner can read."""

import contextlib
import os
import secrets
from pathlib import Path
from tempfile import NamedTemporaryFile


def read_or_create(path: Path, n_bytes: int = 48) -> str:
    """Return the secret in `path`, creating it with mode 0600 when absent.

    Two processes that start at once get the same value: each writes a file of its own and the first
    to link it under the final name wins, so nobody ever reads a half-written secret.
    """
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with NamedTemporaryFile("w", dir=path.parent, prefix=".new-") as file:
            file.write(secrets.token_urlsafe(n_bytes))
            file.flush()
            os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(file.name, path)
    return path.read_text().strip()


def secret_key(home: Path) -> str:
    """Return Django's SECRET_KEY for this installation."""
    return read_or_create(home / "secrets" / "secret_key")


def admin_password(home: Path) -> str:
    """Return the first administrator's password."""
    return read_or_create(home / "secrets" / "admin_password", 15)


def postgres_password(home: Path) -> str:
    """Return the password of the embedded Postgres."""
    return read_or_create(home / "secrets" / "postgres_password", 30)


def redis_password(home: Path) -> str:
    """Return the password of the embedded Redis."""
    return read_or_create(home / "secrets" / "redis_password", 30)
