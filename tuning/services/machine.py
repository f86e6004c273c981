"""The machine a study runs on, and whether it has room for one."""

import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil
from django.conf import settings
from django.utils.translation import gettext as _

from portal.core.errors import OutOfSpace
from portal.lib import timing
from portal.runs.context import RunContext

_PACKAGES = ("rocksdict", "optuna", "numpy", "scikit-learn", "faiss-cpu")
#: Ours: the database and the artifacts of the portal live on the same disk as a trial's files.
LEAST_FREE_MIB = 1024


def home() -> Path:
    """Return the folder of the trials' files."""
    return Path(settings.HOME) / "tuning"


def facts() -> dict[str, Any]:
    """Return what a reader needs to know of the machine."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "n_cores": os.cpu_count(),
        "memory_mb": psutil.virtual_memory().total >> 20,
        "load_average": os.getloadavg()[0],
        "versions": {name: found for name in _PACKAGES if (found := _version(name))},
    }


def require_room() -> None:
    """Refuse to begin on a disk that is nearly full.

    Raises
    ------
    OutOfSpace
        With what is free and what is needed.
    """
    home().mkdir(parents=True, exist_ok=True)
    free_mib = shutil.disk_usage(home()).free >> 20
    if free_mib < LEAST_FREE_MIB:
        raise OutOfSpace(
            _(
                "%(folder)s has %(free)s MiB free and a study needs at least %(least)s MiB: free "
                "some space first."
            )
            % {"folder": home(), "free": free_mib, "least": LEAST_FREE_MIB},
            code="no_space",
        )


@contextmanager
def folder() -> Iterator[Path]:
    """Give a folder for one trial; whatever is left in it is removed."""
    home().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home(), ignore_cleanup_errors=True) as place:
        yield Path(place)


@contextmanager
def alone(ctx: RunContext) -> Iterator[None]:
    """Hold the lock under which this machine times one thing at a time, the lab's cells as well."""
    ctx.check()
    with timing.alone(Path(settings.HOME), ctx.check):
        yield


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
