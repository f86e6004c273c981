"""A growing ``LOG`` read on from where one was, over rotations, restarts and times without a file.

RocksDB renames ``LOG`` to ``LOG.old.<microseconds>`` when it is opened again or when the file is
full (``max_log_file_size``), and begins a new one (source: RocksDB 9.8
``logging/auto_roll_logger.cc``).
"""

import os
from pathlib import Path
from typing import BinaryIO

#: A LOG that is longer when the watch begins is read from so far before its end.
MOST_BEFORE = 4 << 20
#: Read at a turn at most, so that one turn stays short; the rest is read at the next.
MOST_AT_ONCE = 8 << 20
#: A line longer than this is none of RocksDB's and is thrown away.
_LONGEST = 1 << 20


class Tail:
    """Whole lines as they come; a line without its end waits for it.

    Parameters
    ----------
    path : path
        Of the ``LOG``; it may appear later, and its predecessors lie beside it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._inode = 0
        self._pending = b""
        self._was_open = False

    @property
    def is_open(self) -> bool:
        """Whether there is a file to read."""
        return self._file is not None

    def lines(self) -> list[str]:
        """Return the lines that were completed since the last call."""
        found: list[str] = []
        if self._file is None and not self._open(self._path):
            return found
        room = MOST_AT_ONCE
        while room > 0:
            piece = self._read(room)
            room -= len(piece)
            found += self._split(piece)
            if len(piece) == 0 and not self._next():
                break
        return found

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
        self._file = None

    def _open(self, path: Path) -> bool:
        try:
            file = path.open("rb")
        except OSError:
            return False
        self.close()
        self._file, self._inode = file, os.fstat(file.fileno()).st_ino
        self._pending = b""
        if not self._was_open:
            size = os.fstat(file.fileno()).st_size
            if size > MOST_BEFORE:
                file.seek(size - MOST_BEFORE)
                file.readline()  # the rest of a line
        self._was_open = True
        return True

    def _read(self, n: int) -> bytes:
        if self._file is None:
            return b""
        if os.fstat(self._file.fileno()).st_size < self._file.tell():  # cut off in its place
            self._file.seek(0)
            self._pending = b""
        return self._file.read(n)

    def _split(self, piece: bytes) -> list[str]:
        *whole, self._pending = (self._pending + piece).split(b"\n")
        if len(self._pending) > _LONGEST:
            self._pending = b""
        return [line.decode(errors="replace") for line in whole]

    def _next(self) -> bool:
        """Go on with the file that came after this one; False while this is still the last."""
        try:
            current = self._path.stat().st_ino
        except OSError:
            return False
        if current == self._inode:
            return False
        return self._open(self._after())

    def _after(self) -> Path:
        """Return what follows the file being read: an old LOG if there were several since."""
        old = sorted(self._path.parent.glob(f"{self._path.name}.old.*"), key=_moment)
        inodes = [_inode(path) for path in old]
        if self._inode in inodes:
            later = old[inodes.index(self._inode) + 1 :]
            if later:
                return later[0]
        return self._path


def _moment(path: Path) -> int:
    last = path.name.rpartition(".")[2]
    return int(last) if last.isdigit() else 0


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return 0
