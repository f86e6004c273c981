"""A database's folder from outside: its size, how its log grows, its newest OPTIONS file."""

import os
import re
import time
from dataclasses import dataclass, replace
from pathlib import Path

from tuning.engine.importers.options import OptionsFile, read_options
from tuning.engine.problems import Unreadable

_WAL = re.compile(r"^\d{6,}\.log$")
_OPTIONS = re.compile(r"^OPTIONS-(\d+)$")
#: Share of the time that looking through a folder may take: a large one is looked through less
#: often. Ours.
_SHARE = 0.05


@dataclass(frozen=True)
class Look:
    """What was found at a moment.

    Attributes
    ----------
    size_bytes : int
        Of all files in the folder itself.
    wal_bytes : int
        Of the files of the write-ahead log that are there.
    wal_grown_bytes : int
        By how much they grew since the watch began; what was put into one and removed between
        two looks is missing.
    is_fresh : bool
        Whether the folder was looked through just now.
    """

    size_bytes: int
    wal_bytes: int
    wal_grown_bytes: int
    is_fresh: bool


class Folder:
    """Looks through a database's folder, a large one not at every turn.

    Parameters
    ----------
    path : path
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sizes: dict[str, int] | None = None
        self._look = Look(0, 0, 0, is_fresh=False)
        self._due_s = 0.0
        self._newest = ""
        self.options: OptionsFile | None = None

    def look(self) -> Look | None:
        """Return what is there now; None without a folder."""
        started = time.monotonic()
        if started < self._due_s:
            return replace(self._look, is_fresh=False)
        try:
            sizes = _sizes(self._path)
        except OSError:
            self._sizes = None
            return None
        logs = {name: size for name, size in sizes.items() if _WAL.match(name)}
        logs |= self._elsewhere()
        grown = self._look.wal_grown_bytes + self._grown(logs)
        self._look = Look(sum(sizes.values()), sum(logs.values()), grown, is_fresh=True)
        self._read_options(sizes)
        taken = time.monotonic() - started
        self._due_s = started + taken / _SHARE if taken > _SHARE else 0.0
        return self._look

    @property
    def is_wal_told(self) -> bool:
        """Whether the growth of the files of the log is what is put into it.

        It is not where files are used again or mapped.
        """
        if self.options is None:
            return True
        database = self.options.database
        is_recycled = database.get("recycle_log_file_num", "0") not in ("", "0")
        return not is_recycled and database.get("allow_mmap_writes", "false") != "true"

    @property
    def is_one_family(self) -> bool:
        """Whether the log is that of one column family, so that a flush makes its file useless."""
        return self.options is None or len(self.options.families) == 1

    def _grown(self, logs: dict[str, int]) -> int:
        before, self._sizes = self._sizes, logs
        if before is None:
            return 0
        return sum(max(0, size - before.get(name, 0)) for name, size in logs.items())

    def _elsewhere(self) -> dict[str, int]:
        place = self.options.database.get("wal_dir", "") if self.options else ""
        if not place or Path(place) == self._path:
            return {}
        try:
            return {name: size for name, size in _sizes(Path(place)).items() if _WAL.match(name)}
        except OSError:
            return {}

    def _read_options(self, names: dict[str, int]) -> None:
        numbers = [int(found[1]) for name in names if (found := _OPTIONS.match(name))]
        newest = f"OPTIONS-{max(numbers):06d}" if numbers else ""
        if not newest or newest == self._newest:
            return
        try:
            self.options = read_options((self._path / newest).read_text(errors="replace"), newest)
        except (OSError, Unreadable):
            return
        self._newest = newest


def _sizes(path: Path) -> dict[str, int]:
    found = {}
    with os.scandir(path) as entries:
        for entry in entries:
            try:
                if entry.is_file(follow_symlinks=False):
                    found[entry.name] = entry.stat(follow_symlinks=False).st_size
            except OSError:  # removed meanwhile
                continue
    return found
