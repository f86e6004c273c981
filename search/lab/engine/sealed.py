"""Folders known by the digests of their files: written beside their place, renamed, verified.

Many campaigns share such a folder. Whoever uses one holds it, and the system lets go for a holder
that died, so that a sweep removes only what nobody uses, whatever the clock says.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock
from pathlib import Path
from typing import Any

from portal.lib.hashing import digest_json
from search.engine.files import sha256
from search.lab.engine.problems import CorpusProblem

MANIFEST = "manifest.json"
#: How names begin of folders that are being written or removed.
_MAKING, _DROPPED = ".making-", ".dropped-"
#: Files that libraries create when they open an index.
_LOCKS = ".lock"


@contextmanager
def fresh(path: Path) -> Iterator[Path]:
    """Give a folder beside a place, renamed to it at the end and removed on an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=_MAKING, dir=path.parent))
    try:
        with held(folder):
            yield folder
            if path.exists() and not (path / MANIFEST).exists():
                shutil.rmtree(_put_aside(path), ignore_errors=True)
            try:
                folder.rename(path)
            except OSError:  # another process was faster: its folder is as good
                if not (path / MANIFEST).exists():
                    raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def seal(path: Path, facts: dict[str, Any]) -> None:
    """Write the manifest of a folder, last of all: facts, and the digests of its files."""
    files = sorted(one for one in path.rglob("*") if one.is_file() and one.suffix != _LOCKS)
    digests = {str(one.relative_to(path)): sha256(one) for one in files}
    content = {**facts, "files": digests}
    content["digest"] = digest_json(content)
    with (path / MANIFEST).open("w") as stream:
        json.dump(content, stream)
        stream.flush()
        os.fsync(stream.fileno())


def manifest(path: Path, *names: str) -> dict[str, Any]:
    """Return what the manifest of a folder says.

    Parameters
    ----------
    names : str
        What it must hold beside its digest.

    Raises
    ------
    CorpusProblem
        If it cannot be read or lacks one of them.
    """
    try:
        content = dict(json.loads((path / MANIFEST).read_text()))
    except (OSError, ValueError, TypeError) as exc:
        raise CorpusProblem("corpus_damaged", value=path.name) from exc
    if not {"digest", *names} <= content.keys():
        raise CorpusProblem("corpus_damaged", value=path.name)
    return content


def verify(path: Path, **facts: object) -> None:
    """Compare the files of a folder with its manifest, and the manifest with what it must say.

    Raises
    ------
    CorpusProblem
        If a file is missing or differs, or the folder was made from something else.
    """
    content = manifest(path, "files")
    digest, files = content.pop("digest"), content["files"]
    is_ours = (
        digest == digest_json(content)
        and isinstance(files, dict)
        and all(content.get(name) == value for name, value in facts.items())
    )
    try:
        is_whole = is_ours and all(sha256(path / name) == one for name, one in files.items())
    except OSError as exc:
        raise CorpusProblem("corpus_damaged", value=path.name) from exc
    if not is_whole:
        raise CorpusProblem("corpus_damaged", value=path.name)
    with suppress(OSError):
        os.utime(path)


def drop_damaged(path: Path, **facts: object) -> bool:
    """Remove a folder that is damaged or was made from something else; returns whether it was.

    Renamed first, so that nobody reads half of it. Of two processes that find the damage the later
    one looks again: by then the place may hold a whole folder.
    """
    if not path.exists() or _is_whole(path, facts):
        return False
    with _alone(path.parent):
        aside = None if not path.exists() or _is_whole(path, facts) else _put_aside(path)
    if aside is not None:
        shutil.rmtree(aside, ignore_errors=True)
    return True


@contextmanager
def held(*folders: Path) -> Iterator[None]:
    """Keep folders from being swept, and from counting as unused, while they are used."""
    with ExitStack() as stack:
        for folder in folders:
            descriptor = os.open(folder, os.O_RDONLY)
            stack.callback(os.close, descriptor)
            flock(descriptor, LOCK_SH)
        _touch(folders)
        try:
            yield
        finally:
            _touch(folders)


def sweep(home: Path, is_due: Callable[[Path], bool]) -> int:
    """Remove what lies in a folder, is due and held by nobody; returns how many went."""
    return sum(is_due(place) and _removed(place, is_due) for place in sorted(home.glob("*")))


def _removed(place: Path, is_due: Callable[[Path], bool]) -> bool:
    if not place.is_dir():
        place.unlink(missing_ok=True)
        return True
    with suppress(FileNotFoundError, BlockingIOError), _alone(place, LOCK_NB):
        if is_due(place):  # nobody came between the first look and the lock
            shutil.rmtree(_put_aside(place), ignore_errors=True)
            return True
    return False


def _put_aside(path: Path) -> Path:
    """Rename a folder into one that is going to be removed, and return that."""
    aside = Path(tempfile.mkdtemp(prefix=_DROPPED, dir=path.parent))
    with suppress(FileNotFoundError):
        path.rename(aside / path.name)
    return aside


@contextmanager
def _alone(folder: Path, how: int = 0) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        flock(descriptor, LOCK_EX | how)
        yield
    finally:
        os.close(descriptor)


def _is_whole(path: Path, facts: dict[str, object]) -> bool:
    try:
        verify(path, **facts)
    except CorpusProblem:
        return False
    return True


def _touch(folders: tuple[Path, ...]) -> None:
    for folder in folders:
        with suppress(OSError):
            os.utime(folder)
