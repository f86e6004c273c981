"""Hold a process to a bandwidth of its device or a share of the processors, by control groups.

RocksDB's own rate limiter is not a slow device: it knows what is a flush and what a compaction and
holds no log, no read and no sync. A control group holds whatever the process asks of the device.

Version 1 of the controllers (``blkio.throttle``) holds direct and synchronous requests and what
the process itself hands over (``fsync``, ``sync_file_range``); pages that the kernel writes back
later on its own belong to nobody there. A held load therefore had better sync its log. Version 2
(``io.max``) holds written-back pages too.

Sources: kernel documentation, "Block IO Controller" (version 1) and "Control Group v2".
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from tuning.engine.problems import Unsupported

ROOT = Path("/sys/fs/cgroup")
PREFIX = "millwright-trial-"
_MIB = 1 << 20
_PERIOD_US = 100_000


@contextlib.contextmanager
def held(pid: int, folder: Path, mib_s: float, processors: float) -> Iterator[str]:
    """Hold a process while the context lasts; a bound of 0 holds nothing.

    Yields
    ------
    str
        What holds it, for the record: ``none``, or controllers such as ``cgroup-v1 blkio``.

    Raises
    ------
    Unsupported
        If this machine or this user cannot.
    """
    if not mib_s and not processors:
        yield "none"
        return
    groups: list[Path] = []
    try:
        try:
            said = _hold(pid, folder, mib_s, processors, groups)
        except OSError as exc:
            raise Unsupported("hold_impossible", value=mib_s, reason=str(exc)) from exc
        yield said
    finally:
        for group in groups:
            _removed(group)


def device_of(folder: Path) -> str:
    """Return the whole disk that a folder lies on, as ``major:minor``.

    Raises
    ------
    OSError
        If it lies on no block device.
    """
    number = folder.stat().st_dev
    place = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}").resolve(strict=True)
    if (place / "partition").exists():
        place = place.parent
    return (place / "dev").read_text("ascii").strip()


def _hold(pid: int, folder: Path, mib_s: float, processors: float, groups: list[Path]) -> str:
    if (ROOT / "cgroup.controllers").exists():
        return _hold_by_v2(pid, folder, mib_s, processors, groups)
    said = []
    if mib_s:
        device, bytes_s = device_of(folder), int(mib_s * _MIB)
        group = _made(ROOT / "blkio", pid, groups)
        for way in ("read", "write"):
            (group / f"blkio.throttle.{way}_bps_device").write_text(f"{device} {bytes_s}")
        (group / "cgroup.procs").write_text(str(pid))
        said.append("cgroup-v1 blkio")
    if processors:
        group = _made(ROOT / "cpu", pid, groups)
        (group / "cpu.cfs_period_us").write_text(str(_PERIOD_US))
        (group / "cpu.cfs_quota_us").write_text(str(int(processors * _PERIOD_US)))
        (group / "cgroup.procs").write_text(str(pid))
        said.append("cgroup-v1 cpu")
    return ", ".join(said)


def _hold_by_v2(pid: int, folder: Path, mib_s: float, processors: float, groups: list[Path]) -> str:
    group = _made(ROOT, pid, groups)
    said = []
    if mib_s:
        bytes_s = int(mib_s * _MIB)
        (group / "io.max").write_text(f"{device_of(folder)} rbps={bytes_s} wbps={bytes_s}")
        said.append("cgroup-v2 io.max")
    if processors:
        (group / "cpu.max").write_text(f"{int(processors * _PERIOD_US)} {_PERIOD_US}")
        said.append("cgroup-v2 cpu.max")
    (group / "cgroup.procs").write_text(str(pid))
    return ", ".join(said)


def _made(parent: Path, pid: int, groups: list[Path]) -> Path:
    for left in parent.glob(f"{PREFIX}*"):
        if not Path("/proc", left.name.removeprefix(PREFIX)).exists():
            _removed(left)
    group = parent / f"{PREFIX}{pid}"
    group.mkdir(exist_ok=True)
    groups.append(group)
    return group


def _removed(group: Path) -> None:
    """Remove a group; its last process may need a moment to leave it."""
    for _ in range(50):
        with contextlib.suppress(OSError):
            group.rmdir()
            return
        if not group.exists():
            return
        time.sleep(0.02)
