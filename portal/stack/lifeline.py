"""Our end of the guardian: it ends the stack's processes when we die without doing so."""

import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

from portal.stack import guardian
from portal.stack.processes import start_time


class Lifeline:
    """The guardian process and what it knows."""

    def __init__(self) -> None:
        self.token = uuid.uuid4().hex
        self.children: dict[int, str] = {}
        self.folders: list[str] = []
        self.process = self._start()

    def environment(self) -> dict[str, str]:
        """Return what every process of the stack carries in its environment."""
        return {guardian.MARK: self.token}

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603 - the words are ours
            [sys.executable, "-I", "-S", str(Path(guardian.__file__).resolve()), self.token],
            stdin=subprocess.PIPE,
            cwd="/",
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin")},
            start_new_session=True,
            text=True,
        )

    def _tell(self, line: str) -> None:
        if self.process.stdin is not None:
            self.process.stdin.write(f"{line}\n")
            self.process.stdin.flush()

    def watch(self, pid: int, how: signal.Signals) -> None:
        """Have the guardian end a child, at first with the signal `how`."""
        started = start_time(pid)
        if started is not None:
            self.children[pid] = f"child {pid} {started} {int(how)}"
            self.tend(self.children[pid])

    def remove(self, folder: Path) -> None:
        """Have the guardian remove a temporary folder when all has ended."""
        self.folders.append(f"folder {folder}")
        self.tend(self.folders[-1])

    def forget(self, pid: int) -> None:
        """Leave a child that has ended out of what a new guardian is told."""
        self.children.pop(pid, None)

    def tend(self, *news: str) -> None:
        """Tell the guardian something; start another one when it has died."""
        try:
            for line in news:
                self._tell(line)
            alive = self.process.poll() is None
        except BrokenPipeError:
            alive = False
        if not alive:
            self.process = self._start()
            for line in (*self.children.values(), *self.folders):
                self._tell(line)

    def close(self) -> None:
        """Send the guardian home: everything has been stopped."""
        try:
            self._tell("done")
            if self.process.stdin is not None:
                self.process.stdin.close()
        except BrokenPipeError:
            self.process.kill()
        self.process.wait()
