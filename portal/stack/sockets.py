"""A folder for sockets whose path is short and plain wherever the checkout lies.

A socket's path may have 107 bytes, and URLs and configuration files want it without spaces.
"""

import os
import re
import tempfile
from pathlib import Path

LONGEST = 107
LONGEST_NAME = len("/postgres/.s.PGSQL.5432.lock")
PLAIN = re.compile(r"[A-Za-z0-9/._+-]+")


def suits(folder: Path) -> bool:
    """Whether sockets can live in `folder`."""
    path = str(folder)
    return len(path) + LONGEST_NAME <= LONGEST and PLAIN.fullmatch(path) is not None


def open_folder(preferred: Path, *, shared: bool) -> Path:
    """Return a folder for sockets: `preferred` if it suits, else a new temporary one.

    Parameters
    ----------
    preferred
        Where they would best live.
    shared
        Whether another identity must reach a folder inside; then `preferred` is taken for closed to
        it.
    """
    if not shared and suits(preferred):
        preferred.mkdir(mode=0o700, parents=True, exist_ok=True)
        return preferred
    base = tempfile.gettempdir()
    if not suits(Path(base) / "millwright-12345678"):
        base = "/tmp"  # noqa: S108 - mkdtemp makes a private folder inside
    folder = Path(tempfile.mkdtemp(prefix="millwright-", dir=base))
    if shared:
        folder.chmod(0o711)
    return folder


def close_folder(folder: Path) -> None:
    """Remove what a stopped stack left in a folder for temporary files."""
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
    if folder.name.startswith("millwright-") and os.access(folder.parent, os.W_OK):
        folder.rmdir()
