"""Finds the processes of the stack that hang without dying: they give no more signs of life."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from portal.lib import lifesign
from portal.stack import guardian

LOOK_EVERY_S = 1.0
#: A look this late means that we stood still ourselves, as a suspended machine does: begin anew.
OWN_HANG_S = 5.0


@dataclass
class _Seen:
    """A sign as it was seen to change last, by the time at which we saw it."""

    touched_at: float
    at: float


class Hangs:
    """Signs of life as one supervisor follows them.

    Time counts while the supervisor itself runs: what stood still together with it, as on a
    machine that was suspended, does not hang.

    Parameters
    ----------
    folder
        Where the processes leave their signs.
    patience_s
        How long a process may give none; 0 looks at nothing.
    """

    def __init__(self, folder: Path, patience_s: float) -> None:
        self.folder = folder
        self.patience_s = patience_s
        self._seen: dict[int, _Seen] = {}
        self._looked_at = 0.0

    def prefix(self, name: str) -> str:
        """Return where the processes of a member leave their signs, the process id left out."""
        return f"{self.folder / name}"

    def open(self) -> None:
        """Make the folder, empty."""
        with contextlib.suppress(OSError):
            self.folder.mkdir(mode=0o700, exist_ok=True)
            for path in self.folder.iterdir():
                path.unlink()

    def silent(self, sessions: set[int], now: float) -> list[tuple[str, int]]:
        """Return name and process id of what has given no sign for too long.

        Parameters
        ----------
        sessions
            The sessions of our children: a process of another one is not ours, whatever its id.
        now
            A monotonic time in seconds.
        """
        if not self.patience_s or now - self._looked_at < LOOK_EVERY_S:
            return []
        if now - self._looked_at > OWN_HANG_S:
            self._seen.clear()
        self._looked_at = now
        signs = lifesign.given(self.folder)
        self._seen = {
            pid: self._latest(pid, touched_at, now) for pid, (_name, touched_at) in signs.items()
        }
        return [
            (signs[pid][0], pid)
            for pid, seen in self._seen.items()
            if now - seen.at > self.patience_s and _session(pid) in sessions
        ]

    def _latest(self, pid: int, touched_at: float, now: float) -> _Seen:
        seen = self._seen.get(pid)
        return seen if seen and seen.touched_at == touched_at else _Seen(touched_at, now)


def _session(pid: int) -> int:
    words = guardian.fields(pid)
    return int(words[3]) if words else 0
