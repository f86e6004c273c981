"""Starts the writer of :mod:`tests.tuning.live.writer` beside a test, and ends it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings


class Writer:
    """A process that writes to a database."""

    def __init__(self, folder: Path, *words: str) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "tests.tuning.live.writer", str(folder), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=settings.BASE_DIR,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> int:
        """Let it close its database; return how many keys it put."""
        said, _nothing = self._process.communicate("", timeout=60)
        return int(said)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(60)


@contextmanager
def writing(folder: Path, *words: str) -> Iterator[Writer]:
    """Write to a database while the block lasts."""
    writer = Writer(folder, *words)
    try:
        yield writer
    finally:
        writer.kill()
