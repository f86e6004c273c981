"""Where indexes lie on this machine: one folder a version, shared by all processes through mmap."""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID, uuid4

from django.conf import settings

from portal.registry.models import ModelVersion

#: A folder nobody serves any more is kept so long for searches that are still under way.
UNUSED_S = 3600.0
#: What a build that died left behind.
STRAY_S = 24 * 3600.0


def root() -> Path:
    """Return the folder of everything this module keeps."""
    return Path(settings.HOME) / "search"


def of(version: ModelVersion) -> Path:
    """Return where a version lies, or would lie, on this machine."""
    return root() / "indexes" / f"{version.model.name}-v{version.number}-{version.digest[:16]}"


def changes_of(version: ModelVersion) -> Path:
    """Return where changes that a version does not hold lie on this machine."""
    return root() / "changes" / of(version).name


@contextmanager
def building(run_id: UUID) -> Iterator[Path]:
    """Give a fresh folder for a build; it is gone afterwards, however the build ends."""
    parent = root() / "building"
    parent.mkdir(parents=True, exist_ok=True)
    for old in parent.glob(f"{run_id}.*"):  # of an attempt that was killed
        shutil.rmtree(old, ignore_errors=True)
    folder = parent / f"{run_id}.{uuid4().hex[:8]}"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def sole(folder: Path) -> Iterator[None]:
    """Let one process at a time fill or remove a folder."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{folder.name}.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def remove_unused(used: set[Path]) -> int:
    """Remove folders of versions that are not served, and what dead builds left; return how many.

    Processes that still search in one keep its files until they let go of them.
    """
    removed = 0
    names = {folder.name for folder in used}
    for kind in ("indexes", "changes"):
        for folder in _older(root() / kind, UNUSED_S):
            if folder.name not in names:
                with sole(folder):
                    shutil.rmtree(folder, ignore_errors=True)
                (folder.parent / f".{folder.name}.lock").unlink(missing_ok=True)
                removed += 1
    for folder in _older(root() / "building", STRAY_S):
        shutil.rmtree(folder, ignore_errors=True)
        removed += 1
    return removed


def touch(folder: Path) -> None:
    """Note that a folder is in use."""
    os.utime(folder)


def _older(parent: Path, age_s: float) -> Iterator[Path]:
    limit = time.time() - age_s
    if not parent.is_dir():
        return
    for folder in sorted(parent.iterdir()):
        try:
            if folder.is_dir() and folder.stat().st_mtime < limit:
                yield folder
        except FileNotFoundError:
            continue
