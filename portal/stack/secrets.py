"""Secrets generated once and kept in files only their owner can read."""

import os
import secrets
from pathlib import Path


def read_or_create(path: Path, n_bytes: int = 48) -> str:
    """Return the secret in `path`, creating it with mode 0600 when absent; safe when two start at once."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(n_bytes))
    return path.read_text().strip()


def secret_key(home: Path) -> str:
    """Return Django's SECRET_KEY for this installation."""
    return read_or_create(home / "secrets" / "secret_key")
