"""Probe the bandwidth of a device: reading and writing, one after another and at random, both ways.

Direct requests pass the page cache and tell the device; buffered ones tell what a process without
direct requests gets, with the sync that ends its writing counted. Every request is timed and kept.

Source: open(2) on ``O_DIRECT`` and its alignment; the figures are those of fio's ``bw`` with one
job and queue depth 1.
"""

import contextlib
import itertools
import mmap
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np

from tuning.engine.contract import Beat, Samples, silent
from tuning.engine.problems import NoSpace

_MIB = 1 << 20
#: Request sizes: a table block at random, a readahead in a row.
RANDOM_BYTES = 4 << 10
SEQUENTIAL_BYTES = _MIB
_RESERVE_MIB = 512


@dataclass(frozen=True, eq=False)
class Bandwidth:
    """What one way of access reached.

    Attributes
    ----------
    access : str
        ``sequential`` or ``random``.
    way : str
        ``direct`` or ``buffered``.
    operation : str
        ``read`` or ``write``.
    bps : float
        Bytes a second, over the whole probe.
    request_s : float64 [requests]
        Time of each request.
    """

    access: str
    way: str
    operation: str
    bps: float
    request_s: Samples

    @property
    def name(self) -> str:
        """As in ``sequential direct write``."""
        return f"{self.access} {self.way} {self.operation}"


@dataclass(frozen=True)
class Probe:
    """All ways that the file system allows, and those it refused with its words."""

    bandwidths: tuple[Bandwidth, ...]
    refused: dict[str, str]

    def bps(self, name: str) -> float | None:
        """Return a bandwidth by name; None if it was refused."""
        found = [one.bps for one in self.bandwidths if one.name == name]
        return found[0] if found else None


def probe(
    folder: Path,
    *,
    size_mib: int = 64,
    seconds: float = 1.0,
    seed: int = 0,
    beat: Beat = silent,
) -> Probe:
    """Measure every way of access in a file of its own, which is removed.

    Parameters
    ----------
    size_mib : int
        Of the file; reads that are buffered come after the cache was asked to forget it.
    seconds : float
        Longest time of each of the eight ways.

    Raises
    ------
    NoSpace
        If the file and a reserve do not fit.
    """
    free_mib = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize // _MIB
    if free_mib < size_mib + _RESERVE_MIB:
        raise NoSpace("no_space", folder=folder, value=free_mib, limit=size_mib + _RESERVE_MIB)
    generator = np.random.default_rng(seed)
    found: list[Bandwidth] = []
    refused: dict[str, str] = {}
    with tempfile.NamedTemporaryFile(dir=folder, prefix="probe-") as file:
        _fill(file.fileno(), size_mib)
        path = Path(file.name)
        ways = list(itertools.product(("sequential", "random"), _WAYS, ("write", "read")))
        for at, (access, way, operation) in enumerate(ways):
            beat(at / len(ways), "probe")
            offsets = _offsets(access, size_mib * _MIB, generator)
            try:
                found.append(_measured(path, access, way, operation, offsets, seconds))
            except OSError as exc:
                refused[f"{access} {way} {operation}"] = str(exc)
    beat(1.0, "probe")
    return Probe(tuple(found), refused)


_WAYS = ("direct", "buffered")


def _fill(descriptor: int, size_mib: int) -> None:
    piece = os.urandom(_MIB)
    for _ in range(size_mib):
        os.write(descriptor, piece)
    os.fsync(descriptor)


def _offsets(access: str, size: int, generator: np.random.Generator) -> list[int]:
    step = SEQUENTIAL_BYTES if access == "sequential" else RANDOM_BYTES
    places = np.arange(0, size - step + 1, step)
    return [int(at) for at in (places if access == "sequential" else generator.permutation(places))]


def _measured(
    path: Path, access: str, way: str, operation: str, offsets: list[int], seconds: float
) -> Bandwidth:
    size = SEQUENTIAL_BYTES if access == "sequential" else RANDOM_BYTES
    times: list[float] = []
    with _opened(path, way, operation) as descriptor, mmap.mmap(-1, size) as page:
        if way == "buffered":
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        started = perf_counter()
        for offset in offsets:
            before = perf_counter()
            if operation == "write":
                os.pwritev(descriptor, [page], offset)
            else:
                os.preadv(descriptor, [page], offset)
            times.append(perf_counter() - before)
            if perf_counter() - started > seconds:
                break
        if operation == "write":
            os.fsync(descriptor)
        elapsed = perf_counter() - started
    return Bandwidth(access, way, operation, size * len(times) / elapsed, np.array(times))


@contextlib.contextmanager
def _opened(path: Path, way: str, operation: str) -> Iterator[int]:
    flags = os.O_WRONLY if operation == "write" else os.O_RDONLY
    descriptor = os.open(path, flags | (os.O_DIRECT if way == "direct" else 0))
    try:
        yield descriptor
    finally:
        os.close(descriptor)
