"""The output of the members: one file each, kept from growing without end, or the console."""

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

LARGEST_BYTES = 32 << 20
CHECK_EVERY_S = 60.0
TAIL_BYTES = 3000


class Logs:
    """Opens and trims the members' output.

    Parameters
    ----------
    folder
        Where the files lie.
    to_console
        Whether output goes to our own standard output instead, for a log collector behind it.
    """

    def __init__(self, folder: Path, *, to_console: bool) -> None:
        self.folder = folder
        self.to_console = to_console
        self.checked_at = time.monotonic()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def path(self, name: str) -> Path:
        """Return the file of one member."""
        return self.folder / f"{name}.log"

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Open a member's output for appending."""
        if self.to_console:
            yield sys.stdout.buffer
            return
        with self.path(name).open("ab") as file:
            os.fchmod(file.fileno(), 0o600)
            yield file

    def tail(self, name: str) -> str:
        """Return the last lines of a member's output, for an error message."""
        if self.to_console:
            return "Its output stands above."
        try:
            text = self.path(name).read_bytes()[-TAIL_BYTES:].decode(errors="replace")
        except FileNotFoundError:
            text = ""
        return f"Its log {self.path(name)} ends:\n{text}"

    def trim(self) -> None:
        """Keep each file under its limit: the old lines go to one copy, the file begins anew.

        The writers hold the file open for appending, so it is emptied in place; lines written
        between the copy and the emptying are lost, which a log can bear.
        """
        now = time.monotonic()
        if self.to_console or now - self.checked_at < CHECK_EVERY_S:
            return
        self.checked_at = now
        for path in self.folder.glob("*.log"):
            if path.stat().st_size > LARGEST_BYTES:
                with contextlib.suppress(OSError):  # on a full disk the room counts for more
                    shutil.copyfile(path, path.with_suffix(".log.1"))
                os.truncate(path, 0)
