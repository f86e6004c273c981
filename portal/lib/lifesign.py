"""Signs of life: a file that a process touches as long as its threads are let run.

A process that was stopped, or that hangs without a thread running, touches it no more: its
supervisor and the health report see that without asking the process, Postgres or Redis.
"""

import atexit
import contextlib
import os
import threading
import time
from pathlib import Path

#: Names the environment variable with the path before the process id.
PREFIX = "MILLWRIGHT_ALIVE"
TOUCH_EVERY_S = 2.0


def start() -> None:
    """Give signs of life from now on, also in forked children, if somebody wants them."""
    prefix = os.environ.get(PREFIX)
    if prefix:
        _begin(prefix)
        os.register_at_fork(after_in_child=lambda: _begin(prefix))


def _begin(prefix: str) -> None:
    threading.Thread(target=_touch, args=[prefix], name="lifesign", daemon=True).start()
    atexit.register(_end, f"{prefix}.{os.getpid()}")


def _touch(prefix: str) -> None:
    path = Path(f"{prefix}.{os.getpid()}")
    while True:
        with contextlib.suppress(OSError):
            path.touch()
        time.sleep(TOUCH_EVERY_S)


def _end(path: str) -> None:
    with contextlib.suppress(OSError):
        Path(path).unlink()


def given(folder: Path) -> dict[int, tuple[str, float]]:
    """Return the signs in a folder by process id: name and when the file was touched last.

    Parameters
    ----------
    folder
        Where the files lie, ``NAME.PID`` each.

    Returns
    -------
    dict
        Process id to name and time in seconds since 1970; signs of processes that are gone, which
        a killed one leaves, are left out.
    """
    found: dict[int, tuple[str, float]] = {}
    try:
        paths = list(folder.iterdir())
    except OSError:
        return found
    for path in paths:
        name, _dot, pid = path.name.rpartition(".")
        if pid.isdigit() and _lives(pid):
            with contextlib.suppress(OSError):
                found[int(pid)] = (name, path.stat().st_mtime)
    return found


def _lives(pid: str) -> bool:
    """Whether a process is there and more than a corpse that nobody has buried."""
    try:
        state = Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state not in "ZX"
