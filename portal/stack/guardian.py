"""Ends every process of a stack when its supervisor has died without doing so itself.

The supervisor holds the other end of this process's standard input. It writes one line for each
child, ``child PID START_TIME SIGNAL``, one for each temporary folder, ``folder PATH``, and ``done``
when everything has been stopped. When the pipe closes without ``done``, the children are signalled,
and after a short time whatever still lives of their sessions, or carries the stack's mark in its
environment, is killed; then the folders are removed.

Run as a script with nothing but the standard library, so that it starts at once and stays small.
"""

import contextlib
import os
import shutil
import signal
import sys
import time
from pathlib import Path

MARK = "MILLWRIGHT_STACK"
GENTLE_S = 2.0
FORCE_S = 10.0
PAUSE_S = 0.05

Child = tuple[int, str, int]


def fields(pid: int) -> list[str]:
    """Return the words of a process's stat line after its name: state, parent, group, …."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def is_same(pid: int, started: str) -> bool:
    """Whether a process still is the one that was started then, and not yet a zombie."""
    words = fields(pid)
    return bool(words) and words[19] == started and words[0] not in "ZX"


def carries(pid: int, mark: bytes) -> bool:
    """Whether a process was started with the stack's mark in its environment."""
    try:
        return mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def members(children: list[Child], mark: bytes) -> set[int]:
    """Return what lives of the stack: children, their sessions, whoever bears the mark."""
    sessions = {str(pid) for pid, _started, _signal in children}
    mine = os.getpid()
    found = set()
    for pid in (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()):
        words = fields(pid)
        if pid == mine or not words or words[0] in "ZX":
            continue
        if words[3] in sessions or carries(pid, mark):
            found.add(pid)
    return found


def send(pid: int, how: int) -> None:
    """Signal a process that may be gone by now."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, how)


def clear(children: list[Child], mark: bytes) -> None:
    """Ask the children to end, then kill what is left."""
    for pid, started, how in children:
        if is_same(pid, started):
            send(pid, how)
    begun = time.monotonic()
    while (left := members(children, mark)) and time.monotonic() - begun < FORCE_S:
        if time.monotonic() - begun > GENTLE_S:
            for pid in left:
                send(pid, signal.SIGKILL)
        time.sleep(PAUSE_S)


def main() -> None:
    """Read the supervisor's lines until it dies or says that all is done."""
    for name in (signal.SIGINT, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    mark = f"{MARK}={sys.argv[1]}".encode()
    children: list[Child] = []
    folders: list[str] = []
    for line in sys.stdin:
        kind, _space, rest = line.strip().partition(" ")
        if kind == "done":
            return
        if kind == "folder":
            folders.append(rest)
        else:
            pid, started, how = rest.split()
            children.append((int(pid), started, int(how)))
    clear(children, mark)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
