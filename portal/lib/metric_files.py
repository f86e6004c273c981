"""Values of metrics that outlive the process that counted them.

Every process counts in memory-mapped files of its own, in the format of prometheus_client's
multiprocess mode; whoever is asked adds up the files of all. What a killed process counted is in
its file. Files of the dead are folded into one archive, so that restarts cost no room.

The library reads, adds and renders; the writing is ours for four reasons: its files are sparse, and
writing to one on a full disk kills the process; a fork while another thread counts leaves the
child's lock taken; it tells processes apart by number, which is used again; and it takes three
times as long.

A process holds a lock on each of its files as long as it lives, so death is never guessed. The
archive is one folder, ``archive-N``, written beside and renamed; the files it took in lie in
``merging-N`` until they are deleted. So at any moment each count is in one place that is read:
``merging-N`` no longer counts once ``archive-N`` is there.
"""

import contextlib
import fcntl
import logging
import mmap
import os
import secrets
import shutil
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from prometheus_client.metrics_core import Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

logger = logging.getLogger(__name__)

#: Some 250 series; taken from the disk at once, so that no later write can fail.
FIRST_BYTES = 64 << 10
HEADER_BYTES = 8
#: Half-made files are left alone this long: their process may be about to lock them.
STRAY_AFTER_S = 60.0
LOCK_NAME = "folder.lock"
ARCHIVE = "archive"
MERGING = "merging"
DAMAGE = (RuntimeError, ValueError, struct.error)

_lock = threading.Lock()
_folder: Path | None = None
_files: dict[str, "File"] = {}
_series: list["Series"] = []
_identity = ""


class File:
    """The file of one process and one type of metric, locked while the process lives.

    The layout is that of :class:`prometheus_client.mmap_dict.MmapedDict`.

    Parameters
    ----------
    path
        Must not exist.
    """

    def __init__(self, path: Path) -> None:
        half_made = path.with_suffix(".new")
        self._fd = os.open(half_made, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._places: dict[str, int] = {}
            self._reserve(FIRST_BYTES)
            self._note_used(HEADER_BYTES)
            half_made.rename(path)  # only now others look at it, and it is locked
        except OSError:
            os.close(self._fd)
            half_made.unlink(missing_ok=True)
            raise

    def place(self, key: str) -> int:
        """Return the position of a value in `numbers`; its time stamp lies behind it.

        Raises
        ------
        OSError
            When the file would have to grow and the disk is full.
        """
        if key not in self._places:
            self._append(key)
        return self._places[key]

    def close(self) -> None:
        """Let go of the lock; what still counts into the mapping is not disturbed."""
        os.close(self._fd)

    def flush(self) -> None:
        """Bring what was written to the disk."""
        self._map.flush()

    def _append(self, key: str) -> None:
        encoded = key.encode()
        padded = encoded + b" " * (8 - (len(encoded) + 4) % 8)
        start, end = self._used, self._used + 4 + len(padded) + 16
        if end > len(self._map):
            self._reserve(2 * len(self._map))
        self._map[start : start + 4] = len(encoded).to_bytes(4, "little")
        self._map[start + 4 : end - 16] = padded
        self._places[key] = (end - 16) // 8
        self._note_used(end)

    def _reserve(self, n_bytes: int) -> None:
        """Map so much of the file, on blocks that are ours from now on."""
        os.posix_fallocate(self._fd, 0, n_bytes)
        self._map = mmap.mmap(self._fd, n_bytes)
        self.numbers = memoryview(self._map).cast("d")

    def _note_used(self, n_bytes: int) -> None:
        """Let readers see so much, after it was written."""
        self._used = n_bytes
        self._map[0:4] = n_bytes.to_bytes(4, "little")


class Series:
    """Some values of this process that are counted together, as the buckets of one histogram.

    Parameters
    ----------
    prefix
        Type of the metric, and for gauges how processes are joined: ``gauge_mostrecent``.
    keys
        Names of the values, as :func:`prometheus_client.mmap_dict.mmap_key` makes them.
    """

    __slots__ = ("_keys", "_numbers", "_places", "_prefix")

    def __init__(self, prefix: str, keys: Sequence[str]) -> None:
        self._prefix = prefix
        self._keys = keys
        self._numbers: memoryview[float] | None = None
        self._places: Sequence[int] = ()
        with _lock:
            _series.append(self)

    def add(self, amount: float, to: int = 0) -> None:
        """Add to the value at a position."""
        with _lock:
            numbers = self._numbers or self._open()
            numbers[self._places[to]] += amount

    def add_both(self, amount: float, to: int) -> None:
        """Add to the first value, and one to the value at a position."""
        with _lock:
            numbers = self._numbers or self._open()
            places = self._places
            numbers[places[0]] += amount
            numbers[places[to]] += 1.0

    def set(self, value: float, timestamp: float) -> None:
        """Replace the first value."""
        with _lock:
            numbers = self._numbers or self._open()
            numbers[self._places[0]] = value
            numbers[self._places[0] + 1] = timestamp

    def get(self, position: int = 0) -> float:
        """Return what this process has counted."""
        with _lock:
            return float((self._numbers or self._open())[self._places[position]])

    def forget(self) -> None:
        """Open places anew at the next use."""
        self._numbers = None

    def _open(self) -> "memoryview[float]":
        try:
            file = _file(self._prefix)
            self._places = [file.place(key) for key in self._keys]
            numbers = file.numbers
        except OSError as exc:
            # The work goes on; what this process counts here is not seen.
            logger.warning("metrics are not kept: %s", exc.strerror)
            self._places = [2 * position for position in range(len(self._keys))]
            numbers = memoryview(bytearray(16 * len(self._keys))).cast("d")
        self._numbers = numbers
        return numbers


def _file(prefix: str) -> File:
    global _identity
    if _folder is None:
        raise OSError(0, "no folder was named yet")
    if prefix not in _files:
        _identity = _identity or f"{os.getpid()}-{secrets.token_hex(4)}"
        _folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _files[prefix] = File(_folder / f"{prefix}_{_identity}.db")
    return _files[prefix]


def keep_in(folder: Path) -> None:
    """Name the folder of the files; what was counted before is left where it is."""
    global _folder
    if folder != _folder:
        _forget()
        _folder = folder


def instance() -> str:
    """Return the name of the folder's contents: another one once its counts were lost.

    Raises
    ------
    OSError
        When the folder cannot be written.
    """
    if _folder is None:
        raise OSError(0, "no folder was named yet")
    path = _folder / "instance"
    if not path.exists():
        _folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        half_made = _folder / f"instance-{secrets.token_hex(4)}.new"
        half_made.write_text(secrets.token_hex(4))
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(half_made)  # whoever is second finds the first one's
        half_made.unlink()
    return path.read_text()


def folder() -> Path | None:
    """Return the folder of the files, None before one was named."""
    return _folder


def _forget() -> None:
    """Begin with files of one's own, as in a forked child."""
    global _lock, _identity
    _lock = threading.Lock()
    for file in _files.values():
        file.close()
    _files.clear()
    _identity = ""
    for series in _series:
        series.forget()


os.register_at_fork(after_in_child=_forget)


# --- Reading --------------------------------------------------------------------------------------


def collect() -> list[Metric]:
    """Return the sums over all processes that ever counted, living and dead."""
    if _folder is None or not _folder.is_dir():
        return []
    fold()
    with _held(_folder, fcntl.LOCK_SH):
        paths = _counted(_folder)
        try:
            return _summed(paths)
        except DAMAGE:
            return _summed([path for path in paths if not _is_damaged(path)])


def _summed(paths: Sequence[Path]) -> list[Metric]:
    merged = MultiProcessCollector.merge([os.fspath(path) for path in paths])  # type: ignore[no-untyped-call]  # the library's
    return list(merged)


def _read(path: Path) -> list[tuple[str, float, float]]:
    """Return key, value and time stamp of everything in a file.

    Raises
    ------
    RuntimeError, ValueError, struct.error
        When it is damaged, as a power cut can leave it.
    """
    rows = MmapedDict.read_all_values_from_file(os.fspath(path))  # type: ignore[no-untyped-call]  # the library's
    return [(key, value, timestamp) for key, value, timestamp, _position in rows]


def _is_damaged(path: Path) -> bool:
    """Whether a file cannot be read; then it is renamed, and no longer counted."""
    try:
        _read(path)
    except DAMAGE as exc:
        logger.error("the metrics in %s cannot be read and are left out: %s", path.name, exc)  # noqa: TRY400 - nothing to trace
        path.rename((_folder or path.parent) / f"{path.stem}.damaged")
        return True
    return False


def fold() -> int:
    """Fold the files of dead processes into the archive; return how many files that were.

    Whoever comes while another does it goes on without.
    """
    if _folder is None or not _folder.is_dir():
        return 0
    dead = [path for path in _folder.glob("*.db") if _is_dead(path)]
    if not dead and not _left_over(_folder):
        return 0
    try:
        with _held(_folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
            return _fold(_folder, [path for path in dead if path.exists()])
    except OSError as exc:  # another is at it, or the disk is full: the files wait
        logger.info("metrics of dead processes wait: %s", exc.strerror)
        return 0


@contextlib.contextmanager
def _held(folder: Path, how: int) -> Iterator[None]:
    fd = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(fd, how)
        yield
    finally:
        os.close(fd)


def _is_dead(path: Path) -> bool:
    """Whether nobody holds a file: its process is gone, however it went."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True


def _numbered(folder: Path, name: str) -> dict[int, Path]:
    found = {path.name.partition("-")[2]: path for path in folder.glob(f"{name}-*")}
    return {int(number): path for number, path in found.items() if number.isdigit()}


def _last(folder: Path) -> int:
    return max(_numbered(folder, ARCHIVE), default=0)


def _counted(folder: Path) -> list[Path]:
    """Return the files that hold every count once."""
    last = _last(folder)
    merging = [path for number, path in _numbered(folder, MERGING).items() if number > last]
    return [
        path
        for place in (folder, folder / f"{ARCHIVE}-{last}", *merging)
        for path in sorted(place.glob("*.db"))
    ]


def _left_over(folder: Path) -> bool:
    """Whether somebody died in the middle of folding."""
    return bool(_numbered(folder, MERGING)) or len(_numbered(folder, ARCHIVE)) > 1


def _fold(folder: Path, dead: list[Path]) -> int:
    last = _last(folder)
    following = last + 1
    merging = folder / f"{MERGING}-{following}"
    merging.mkdir(exist_ok=True)
    for path in dead:
        path.rename(merging / path.name)
    _write_archive(folder / f"{ARCHIVE}-{last}", merging, folder / f"{ARCHIVE}-{following}")
    for name in (MERGING, ARCHIVE):
        for number, path in _numbered(folder, name).items():
            if number < following or name == MERGING:
                shutil.rmtree(path, ignore_errors=True)
    _remove_strays(folder)
    return len(dead)


def _write_archive(old: Path, merging: Path, new: Path) -> None:
    """Write the sums of an archive and of the files of the dead; one rename makes them count."""
    half_made = new.with_name(f"{new.name}.new")
    shutil.rmtree(half_made, ignore_errors=True)
    half_made.mkdir()
    sums: dict[str, dict[str, tuple[float, float]]] = {}
    for path in (*old.glob("*.db"), *merging.glob("*.db")):
        if _is_damaged(path):
            continue
        prefix = path.stem.rpartition("_")[0]
        _add(sums.setdefault(prefix, {}), path, is_gauge=prefix.startswith("gauge"))
    for prefix, series in sums.items():
        _write(half_made / f"{prefix}_dead.db", series)
    half_made.rename(new)


def _add(series: dict[str, tuple[float, float]], path: Path, *, is_gauge: bool) -> None:
    for key, value, timestamp in _read(path):
        before = series.get(key, (0.0, 0.0))
        if is_gauge:
            series[key] = max(before, (value, timestamp), key=lambda one: one[1])
        else:
            series[key] = (before[0] + value, 0.0)


def _write(path: Path, series: dict[str, tuple[float, float]]) -> None:
    file = File(path)
    for key, pair in series.items():
        at = file.place(key)
        file.numbers[at], file.numbers[at + 1] = pair
    file.flush()
    file.close()


def _remove_strays(folder: Path) -> None:
    limit = time.time() - STRAY_AFTER_S
    for path in folder.glob("*.new"):
        if path.is_file() and path.stat().st_mtime < limit:
            path.unlink(missing_ok=True)
