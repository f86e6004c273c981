"""Arrays that cost a pass over a corpus, kept beside their digest: a damaged one is made again."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.engine.files import sha256


def array(path: Path, make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    """Return the array of a file, made and written now unless it is there and whole.

    Parameters
    ----------
    path : Path
        Ends in ``.npy``; the digest lies beside it, written first, so that a file without one was
        never whole.
    """
    if (kept := _read(path)) is not None:
        return kept
    found = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(f".{os.getpid()}")
    with beside.open("wb") as stream:
        np.save(stream, found)
    digest = sha256(beside)
    own_mark = path.with_suffix(f".{os.getpid()}-sha256")
    own_mark.write_text(digest)
    own_mark.replace(_mark(path))
    beside.replace(path)
    return found


def _read(path: Path) -> NDArray[Any] | None:
    """Return the array of a file, None where it is not there or damaged; it counts as used now."""
    with suppress(FileNotFoundError, ValueError):
        if _mark(path).read_text() == sha256(path):
            found = np.asarray(np.load(path))
            for used in (path, _mark(path)):
                os.utime(used)
            return found
    return None


def _mark(path: Path) -> Path:
    return path.with_suffix(".sha256")
