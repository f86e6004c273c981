"""Starting processes that do not outlive us, and waiting for them."""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from portal.stack.account import OWN, Account
from portal.stack.errors import NotReadyError

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def spawn(
    words: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    output: int,
    cwd: Path | str = "/",
    account: Account = OWN,
    death_signal: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own that gets `death_signal` when this process dies.

    The kernel forgets the death signal when the identity changes, so it is set after the switch; a
    user namespace can still lose it, and the guardian covers that. Call from the main thread only:
    the kernel watches the thread that called.
    """
    parent = os.getpid()

    def prepare() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        _libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return subprocess.Popen(  # noqa: S603 - the words are ours
        account.command(words),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        cwd=cwd,
        env=dict(env),
        start_new_session=True,
        preexec_fn=prepare,
        **account.popen_options(),
    )


def wait_until(
    ready: Callable[[], bool],
    *,
    what: str,
    timeout_s: float,
    alive: Callable[[], bool] = lambda: True,
    pause_s: float = 0.02,
) -> None:
    """Return when `ready` holds.

    Raises
    ------
    NotReadyError
        When `alive` stops holding first, or after `timeout_s` seconds.
    """
    deadline = time.monotonic() + timeout_s
    while not ready():
        if not alive():
            raise NotReadyError(f"{what} ended before it was ready.")
        if time.monotonic() > deadline:
            raise NotReadyError(f"{what} is not ready after {timeout_s:.0f} s.")
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.25)


def start_time(pid: int) -> str | None:
    """Return when a process started, which tells it from a later one with the same id."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


def stop(process: subprocess.Popen[bytes], how: signal.Signals, timeout_s: float) -> None:
    """Signal a process, wait, and kill its whole group when it does not end in time."""
    if process.poll() is None:
        process.send_signal(how)
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            kill_group(process.pid)
            process.wait()


def kill_group(pid: int) -> None:
    """Kill whatever is left of the session that `pid` led."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
